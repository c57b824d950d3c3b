//! The chain of what records say, behind each account, meter and organisation.

use super::State;
use super::tables::Holder;
use crate::record::{Party, Record};

impl State {
    /// Adds what each record that was carried out, or that convicts somebody by refusing, says of whom to their histories. The system's
    /// accounts have none: their rows are everybody's.
    pub(super) fn chain_histories(&mut self, records: &[Record]) {
        let Self { extract_leaves, tables, .. } = self;
        for record in records {
            extract_leaves.tell(record, |party, leaf| match party {
                Party::Account(account) => tables.chain_account(Holder::User(account), leaf),
                Party::Meter(meter) => tables.chain_meter(meter, leaf),
                Party::Organisation(organisation) => tables.chain_organisation(organisation, leaf),
            });
        }
    }
}
