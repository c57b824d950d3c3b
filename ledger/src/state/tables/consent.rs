//! Who may read what of which meter.

use std::collections::{BTreeMap, BTreeSet};

use gridbook_engine::{LedgerTime, MeterId};

use super::Tables;
use super::undo::Undo;
use crate::consent::{Grant, GrantReader, grants_hash};

/// Grants by meter and reader, found by when they are forgotten and by reader too.
#[derive(Clone, Debug, Default)]
pub(in crate::state) struct ConsentTable {
    grants: BTreeMap<(MeterId, GrantReader), Grant>,
    by_end: BTreeSet<(LedgerTime, MeterId, GrantReader)>,
    by_reader: BTreeSet<(GrantReader, MeterId)>,
}

/// How to take one change back: what was there before.
#[derive(Clone, Debug)]
pub(in crate::state) struct ConsentUndo {
    meter: MeterId,
    reader: GrantReader,
    before: Option<Grant>,
}

/// Less than every other reader.
const FIRST: GrantReader = GrantReader::Organisation(crate::registry::OrganisationId(0));

impl ConsentTable {
    /// All grants, by meter, then by reader.
    pub(in crate::state) fn grants(&self) -> &BTreeMap<(MeterId, GrantReader), Grant> {
        &self.grants
    }

    pub(in crate::state) fn grant(&self, meter: MeterId, reader: GrantReader) -> Option<Grant> {
        self.grants.get(&(meter, reader)).copied()
    }

    /// The grants of one meter, by reader.
    pub(in crate::state) fn of(&self, meter: MeterId) -> impl Iterator<Item = (&GrantReader, &Grant)> {
        let from_here = self.grants.range((meter, FIRST)..);
        from_here.take_while(move |((of, _), _)| *of == meter).map(|((_, reader), grant)| (reader, grant))
    }

    /// The meters that have granted a reader something, ascending.
    pub(in crate::state) fn meters_open_to(&self, reader: GrantReader) -> impl Iterator<Item = MeterId> {
        self.by_reader.range((reader, MeterId(0))..=(reader, MeterId(u32::MAX))).map(|(_, meter)| *meter)
    }

    /// The grant that is forgotten first, and when.
    pub(in crate::state) fn next_end(&self) -> Option<(LedgerTime, MeterId, GrantReader)> {
        self.by_end.first().copied()
    }

    fn set(&mut self, meter: MeterId, reader: GrantReader, grant: Option<Grant>) -> Option<Grant> {
        let before = match grant {
            Some(grant) => self.grants.insert((meter, reader), grant),
            None => self.grants.remove(&(meter, reader)),
        };
        if let Some(before) = before {
            self.by_end.remove(&(before.forgotten_at(), meter, reader));
            self.by_reader.remove(&(reader, meter));
        }
        if let Some(grant) = grant {
            self.by_end.insert((grant.forgotten_at(), meter, reader));
            self.by_reader.insert((reader, meter));
        }
        before
    }

    pub(super) fn undo(&mut self, ConsentUndo { meter, reader, before }: ConsentUndo) {
        self.set(meter, reader, before);
    }
}

/// Changing.
impl Tables {
    /// Gives a reader a grant in place of what he had, or takes it from him; the meter's row follows.
    pub(in crate::state) fn set_grant(&mut self, meter: MeterId, reader: GrantReader, grant: Option<Grant>) {
        self.restore_grant(meter, reader, grant);
        let grants = grants_hash(self.consent.of(meter));
        self.change_meter(meter, |status| status.grants = grants);
    }

    /// For a snapshot, whose rows of meters say already what they have granted.
    pub(in crate::state) fn restore_grant(&mut self, meter: MeterId, reader: GrantReader, grant: Option<Grant>) {
        let before = self.consent.set(meter, reader, grant);
        self.journal.push(Undo::Consent(Box::new(ConsentUndo { meter, reader, before })));
    }
}
