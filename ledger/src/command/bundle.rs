//! Up to 1,024 commands under one signature.

use std::sync::Arc;

use gridbook_engine::LedgerTime;

use super::group::check_groups;
use super::{COMMAND_BYTES, Command};
use crate::bytes::{Reader, Writer};
use crate::crypto::{Hash, PublicKey, SecretKey, Signature};
use crate::reject::Code;

/// The most commands in one bundle.
pub const COMMANDS_MAX: usize = 1_024;

/// The longest bundle, signature included.
pub const BUNDLE_BYTES_MAX: usize = HEAD_BYTES + COMMANDS_MAX * COMMAND_BYTES + SIGNATURE_BYTES;

/// The expiry of a bundle that never expires.
pub const NEVER: LedgerTime = LedgerTime(u64::MAX);

const DOMAIN: &str = "gridbook/bundle/1";
const VERSION: u16 = 1;
const SIGNATURE_BYTES: usize = 64;
/// Domain tag with its length byte 18, version 2, chain 32, signer 32, nonce 8, expiry 8, count 2, zeros 2.
const HEAD_BYTES: usize = 104;
const _: () = assert!(HEAD_BYTES.is_multiple_of(8) && COMMAND_BYTES.is_multiple_of(8), "meters read fields in place");
const _: () = assert!(COMMANDS_MAX <= u16::MAX as usize, "the count has two bytes");

/// The name of a bundle: the hash of its content. Its signature is no part of it, so two valid signatures over one
/// content cannot make two bundles of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId(pub Hash);

/// Commands of one device, in the order in which they are to be carried out. Each has its own result: a bundle is not
/// all or nothing, only baskets and blocks in it are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The ledger it is for.
    pub chain: Hash,
    /// The device's key.
    pub signer: PublicKey,
    /// Higher than that of any bundle of the device before; gaps are allowed.
    pub nonce: u64,
    /// It is void from this ledger time on; [`NEVER`] if it is not to expire.
    pub expires_at: LedgerTime,
    /// 1 to [`COMMANDS_MAX`] commands.
    pub commands: Vec<Command>,
}

impl Bundle {
    /// The canonical bytes that are signed: everything but the signature.
    pub fn content(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.domain(DOMAIN).u16(VERSION).bytes(&self.chain.0).bytes(&self.signer.0);
        w.u64(self.nonce).u64(self.expires_at.0);
        w.u16(u16::try_from(self.commands.len()).unwrap_or(u16::MAX)).u16(0);
        for command in &self.commands {
            w.bytes(&command.encode());
        }
        w.finish()
    }

    /// Its name.
    pub fn id(&self) -> BundleId {
        id_of(&self.content())
    }

    /// Signs it. What breaks a rule of form (no command, too many, an amount that is not positive) is signed as well; every
    /// [`SignedBundle::decode`] refuses it.
    pub fn sign(self, key: &SecretKey) -> SignedBundle {
        let mut bytes = self.content();
        let (id, signature) = (id_of(&bytes), key.sign(&bytes));
        bytes.extend_from_slice(&signature.0);
        SignedBundle(Arc::new(Parts { bytes, bundle: self, id, signature }))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Code> {
        r.domain(DOMAIN)?;
        if r.u16()? != VERSION {
            return Err(Code::FormVersion);
        }
        let (chain, signer) = (Hash(r.array()?), PublicKey(r.array()?));
        let (nonce, expires_at) = (r.u64()?, LedgerTime(r.u64()?));
        let count = usize::from(r.u16()?);
        r.padding(2)?;
        let commands = read_commands(r, count)?;
        Ok(Self { chain, signer, nonce, expires_at, commands })
    }
}

fn read_commands(r: &mut Reader<'_>, count: usize) -> Result<Vec<Command>, Code> {
    match count {
        0 => return Err(Code::FormEmpty),
        1..=COMMANDS_MAX => {}
        _ => return Err(Code::FormCount),
    }
    match r.remaining().cmp(&(count * COMMAND_BYTES + SIGNATURE_BYTES)) {
        core::cmp::Ordering::Less => Err(Code::FormTruncated),
        core::cmp::Ordering::Greater => Err(Code::FormTrailing),
        core::cmp::Ordering::Equal => {
            let commands = (0..count).map(|_| Command::decode(&r.array()?)).collect::<Result<Vec<_>, _>>()?;
            check_groups(&commands)?;
            Ok(commands)
        }
    }
}

fn id_of(content: &[u8]) -> BundleId {
    BundleId(Hash::of("gridbook/bundle-id/1", content))
}

/// A bundle with its signature and its exact bytes, cheap to clone. Nothing says that the signature is good: that is what
/// [`crate::admission::Admitted`] says.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedBundle(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    bytes: Vec<u8>,
    bundle: Bundle,
    id: BundleId,
    signature: Signature,
}

impl SignedBundle {
    /// Reads the bytes of one bundle. Every content has one encoding, and all others are refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, Code> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(Code::FormLength);
        }
        let mut r = Reader::new(bytes);
        let bundle = Bundle::read(&mut r)?;
        let signature = Signature(r.array()?);
        r.finish()?;
        let id = id_of(&bytes[..bytes.len() - SIGNATURE_BYTES]);
        Ok(Self(Arc::new(Parts { bytes: bytes.to_vec(), bundle, id, signature })))
    }

    /// Its bytes, signature last.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The bytes that are signed.
    pub fn content(&self) -> &[u8] {
        &self.0.bytes[..self.0.bytes.len() - SIGNATURE_BYTES]
    }

    /// What it says.
    pub fn bundle(&self) -> &Bundle {
        &self.0.bundle
    }

    /// Its name.
    pub fn id(&self) -> BundleId {
        self.0.id
    }

    /// Its signature.
    pub fn signature(&self) -> &Signature {
        &self.0.signature
    }
}

impl core::fmt::Debug for SignedBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "SignedBundle({:?}, {} commands of {:?})",
            self.id().0,
            self.bundle().commands.len(),
            self.bundle().signer
        )
    }
}
