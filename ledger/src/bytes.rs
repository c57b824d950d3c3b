//! Canonical bytes: fixed-width little-endian fields, laid by hand.
//!
//! What is signed or hashed is written with [`Writer`] and read with [`Reader`], which refuses whatever the writer would not have written.

/// The largest amount of energy or money that is read out of records and sums: a thousandth of it is more than all trades of a ledger's
/// life, and a million of them can be added without overflow, whoever wrote them.
pub const AMOUNT_MAX: i128 = 1 << 100;

/// Lays fields one after the other.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

/// Reads fields in the order they were laid.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// There are more than there should be.
    #[error("there are bytes left over at the end")]
    Trailing,
    /// A tag or flag has no meaning.
    #[error("a field holds a value without a meaning")]
    Unknown,
    /// A reserved field is not zero.
    #[error("a reserved field is not zero")]
    Padding,
    /// A count or length is over its limit.
    #[error("a count is over its limit")]
    TooLong,
    /// An amount is over [`AMOUNT_MAX`], or less than nothing where it cannot be.
    #[error("an amount of energy or money is beyond all that a ledger comes to")]
    Amount,
}

/// A header is the longest of what is written all the time.
const ROOM_BYTES: usize = 512;

impl Writer {
    /// An empty writer. It has room for most of what is hashed and signed here: growing to it byte by byte costs more than writing.
    pub fn new() -> Self {
        Self::with_capacity(ROOM_BYTES)
    }

    /// An empty writer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Four bytes, two's complement.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Sixteen bytes, two's complement.
    pub fn i128(&mut self, value: i128) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A domain tag: its length in one byte, then its text.
    pub fn domain(&mut self, tag: &str) -> &mut Self {
        let length = u8::try_from(tag.len()).expect("domain tags are short literals");
        self.u8(length).bytes(tag.as_bytes())
    }

    /// Begins anew in the same room.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What was laid so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// What was laid, without the room that was left: much of it is kept, a record of some sixty bytes for each command.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.shrink_to_fit();
        self.0
    }
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], BytesError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(BytesError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BytesError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(BytesError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, BytesError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, BytesError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, BytesError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Four bytes, two's complement.
    pub fn i32(&mut self) -> Result<i32, BytesError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, BytesError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Sixteen bytes, two's complement.
    pub fn i128(&mut self) -> Result<i128, BytesError> {
        Ok(i128::from_le_bytes(self.array()?))
    }

    /// An amount of energy or money, of at most [`AMOUNT_MAX`] either way: whoever adds amounts that another wrote does not overflow.
    pub fn amount(&mut self) -> Result<i128, BytesError> {
        let amount = self.i128()?;
        if amount.unsigned_abs() > AMOUNT_MAX.unsigned_abs() { Err(BytesError::Amount) } else { Ok(amount) }
    }

    /// A sum of energy, of at most [`AMOUNT_MAX`] and never less than zero.
    pub fn energy_sum(&mut self) -> Result<u128, BytesError> {
        u128::try_from(self.amount()?).map_err(|_| BytesError::Amount)
    }

    /// `count` bytes that must be zero.
    pub fn padding(&mut self, count: usize) -> Result<(), BytesError> {
        if self.bytes(count)?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(BytesError::Padding) }
    }

    /// The domain tag `tag`, and no other.
    pub fn domain(&mut self, tag: &str) -> Result<(), BytesError> {
        let length = usize::from(self.u8()?);
        if self.bytes(length)? == tag.as_bytes() { Ok(()) } else { Err(BytesError::Unknown) }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Everything must have been read.
    pub fn finish(self) -> Result<(), BytesError> {
        if self.0.is_empty() { Ok(()) } else { Err(BytesError::Trailing) }
    }
}
