//! Who an organisation is: a number and a name.

use core::fmt;

use crate::reject::Code;

/// The most organisations on one ledger: a country's suppliers, grid operators and banks fit in many times over, and all of them
/// together stay small enough to be hashed and sent as one.
pub const ORGANISATIONS_MAX: u16 = 4_096;

/// The longest name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 24;

/// The registration number of an organisation, given in order from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationId(pub u16);

/// What people call an organisation: 1 to [`NAME_BYTES_MAX`] bytes of UTF-8 without control characters, and without a blank at either
/// end. Kept as its bytes with zeros behind, so that every name has one form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationName([u8; NAME_BYTES_MAX]);

impl OrganisationName {
    /// A name from its text.
    ///
    /// # Errors
    /// [`Code::FormName`] if the text is none.
    pub fn new(text: &str) -> Result<Self, Code> {
        let is_good =
            (1..=NAME_BYTES_MAX).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control);
        if !is_good {
            return Err(Code::FormName);
        }
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// A name from its bytes with zeros behind.
    ///
    /// # Errors
    /// [`Code::FormName`] if they are not exactly those of a name.
    pub fn from_bytes(bytes: [u8; NAME_BYTES_MAX]) -> Result<Self, Code> {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
        let text = core::str::from_utf8(&bytes[..length]).map_err(|_| Code::FormName)?;
        let name = Self::new(text)?;
        if name.0 == bytes { Ok(name) } else { Err(Code::FormName) }
    }

    /// Its bytes, zeros behind.
    pub fn bytes(&self) -> &[u8; NAME_BYTES_MAX] {
        &self.0
    }

    /// Its text.
    pub fn text(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES_MAX);
        core::str::from_utf8(&self.0[..length]).expect("a name is made of text")
    }
}

impl fmt::Display for OrganisationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for OrganisationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_from_text_and_from_bytes() {
        for text in ["S", "Stadtwerke Süd", "Netz & Söhne GmbH", "exactly twenty-four bytes"[..24].trim_end()] {
            let name = OrganisationName::new(text).unwrap();
            assert_eq!(name.text(), text);
            assert_eq!(OrganisationName::from_bytes(*name.bytes()), Ok(name));
        }
    }

    /// A name that is shown on a screen must not move its cursor, nor pass for another by blanks at its ends.
    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for text in ["", " ", "a\nb", "\u{1b}[2Jx", "a\0b", " a", "a ", "a\u{85}", &long] {
            assert_eq!(OrganisationName::new(text), Err(Code::FormName), "{text:?}");
        }
    }

    /// Two byte strings for one name would be two contents for one command.
    #[test]
    fn bytes_that_are_not_exactly_a_names_are_refused() {
        let mut bytes = *OrganisationName::new("Netz").unwrap().bytes();
        bytes[10] = b'x';
        assert_eq!(OrganisationName::from_bytes(bytes), Err(Code::FormName), "text behind the end");
        assert_eq!(OrganisationName::from_bytes([0xff; NAME_BYTES_MAX]), Err(Code::FormName), "no UTF-8");
        assert_eq!(OrganisationName::from_bytes([0; NAME_BYTES_MAX]), Err(Code::FormName), "no name");
    }
}
