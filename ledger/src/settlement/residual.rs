//! What an area's meters and edges say of the energy that none of its meters has: its losses, as a meter of their own (MARKET section 7,
//! rules 1 and 8).
//!
//! An area has one *virtual meter*. It is read at the area's edges, and what it shows is the residual: what the area's meters gave and what
//! came up from the areas below, less what went up over its own edge. More than nothing got lost; less than nothing was found, which the
//! errors of meters bring about. Where its own edge was not read, nothing is taken to be lost, and the residual says that it is an estimate.

/// What the virtual meter of one area shows in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residual {
    /// What the area's meters gave out less what they took in, in Wh.
    pub net_wh: i128,
    /// What came up from the areas below, less what went down to them, in Wh: as their edges were read, or as their meters say.
    pub below_wh: i128,
    /// What went up over its own edge, less what came down, in Wh: as that was read; where it was not, all that was there to go up.
    pub sent_up_wh: i128,
    /// How that is known.
    pub quality: ResidualQuality,
}

/// What a residual was taken from. Numbers go into records and never change their meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResidualQuality {
    /// From nothing: this ledger reads no meters, and nothing gets lost on it.
    #[default]
    AsTraded,
    /// From readings of the area's edge and of all edges directly below it.
    Measured,
    /// From a rule, because a reading is missing.
    Estimated(ResidualRule),
    /// From readings, one of which came or was corrected after the area was settled.
    Corrected,
}

/// What stands for the reading of an edge that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidualRule {
    /// Nobody read the area's own edge: nothing is taken to be lost, so all that was given went up.
    NoReading,
    /// The area's own edge was read, and one directly below it was not: from there came what the areas there seem to have given, and what
    /// may have been lost on that edge is in this residual.
    NoReadingBelow,
}

impl Residual {
    /// What a virtual meter shows. `sent_up_wh` is the reading of the area's own edge, if there is one.
    pub fn new(net_wh: i128, below_wh: i128, is_read_below: bool, sent_up_wh: Option<i64>) -> Self {
        let quality = match sent_up_wh {
            None => ResidualQuality::Estimated(ResidualRule::NoReading),
            Some(_) if !is_read_below => ResidualQuality::Estimated(ResidualRule::NoReadingBelow),
            Some(_) => ResidualQuality::Measured,
        };
        Self { net_wh, below_wh, sent_up_wh: sent_up_wh.map_or(net_wh + below_wh, i128::from), quality }
    }

    /// The same on a ledger that reads no meters: all that was given went up.
    pub fn as_traded(net_wh: i128, below_wh: i128) -> Self {
        Self { net_wh, below_wh, sent_up_wh: net_wh + below_wh, quality: ResidualQuality::AsTraded }
    }

    /// What got lost in the area, in Wh; less than zero for what was found.
    pub fn losses_wh(&self) -> i128 {
        self.net_wh + self.below_wh - self.sent_up_wh
    }

    /// The same where something was read later than the area was settled.
    pub fn corrected(self) -> Self {
        match self.quality {
            ResidualQuality::Measured => Self { quality: ResidualQuality::Corrected, ..self },
            _ => self,
        }
    }
}

impl ResidualQuality {
    /// Every quality there is.
    pub const ALL: [Self; 5] = [
        Self::AsTraded,
        Self::Measured,
        Self::Corrected,
        Self::Estimated(ResidualRule::NoReading),
        Self::Estimated(ResidualRule::NoReadingBelow),
    ];

    /// Its number in records: as of [`Quality`](super::Quality) 0 as traded, 1 measured, 2 corrected, from 16 on the rule that an estimate
    /// is from.
    pub fn number(self) -> u8 {
        match self {
            Self::AsTraded => 0,
            Self::Measured => 1,
            Self::Corrected => 2,
            Self::Estimated(ResidualRule::NoReading) => 16,
            Self::Estimated(ResidualRule::NoReadingBelow) => 17,
        }
    }

    /// The quality with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.number() == number)
    }

    /// Its name in files and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsTraded => "as_traded",
            Self::Measured => "measured",
            Self::Corrected => "corrected",
            Self::Estimated(ResidualRule::NoReading) => "estimated_no_edge_reading",
            Self::Estimated(ResidualRule::NoReadingBelow) => "estimated_no_edge_reading_below",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(is_read_below: bool, sent_up_wh: Option<i64>) -> (i128, ResidualQuality) {
        let residual = Residual::new(100, -30, is_read_below, sent_up_wh);
        (residual.losses_wh(), residual.quality)
    }

    /// Meters gave 100, and 30 went down to the areas below: 70 are there to go up.
    #[test]
    fn a_virtual_meter_shows_what_is_missing_and_says_how_that_is_known() {
        assert_eq!(quality(true, Some(64)), (6, ResidualQuality::Measured));
        assert_eq!(quality(true, Some(75)), (-5, ResidualQuality::Measured));
        assert_eq!(quality(false, Some(64)), (6, ResidualQuality::Estimated(ResidualRule::NoReadingBelow)));
        for is_read_below in [false, true] {
            assert_eq!(quality(is_read_below, None), (0, ResidualQuality::Estimated(ResidualRule::NoReading)));
        }
    }

    /// What is not known does not become known because something else was corrected.
    #[test]
    fn only_what_was_read_can_be_corrected() {
        let residual = |sent_up_wh| Residual::new(10, 0, true, sent_up_wh).corrected();
        assert_eq!(residual(Some(9)).quality, ResidualQuality::Corrected);
        assert_eq!(residual(None).quality, ResidualQuality::Estimated(ResidualRule::NoReading));
        assert_eq!(Residual::default().corrected(), Residual::default());
    }

    #[test]
    fn every_quality_has_a_number_and_a_name_of_its_own() {
        for quality in ResidualQuality::ALL {
            assert_eq!(ResidualQuality::from_number(quality.number()), Some(quality));
            assert_eq!(ResidualQuality::ALL.iter().filter(|other| other.name() == quality.name()).count(), 1);
        }
        assert_eq!(ResidualQuality::from_number(3), None);
        assert_eq!(ResidualQuality::from_number(18), None);
    }
}
