//! Which rows have changed since somebody last looked.

/// A set of registration numbers, each listed once, in the order in which they were first touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    listed: Vec<bool>,
    list: Vec<u32>,
}

impl Dirty {
    /// Lists `number`, unless it is listed already.
    pub(super) fn touch(&mut self, number: u32) {
        let index = super::tables::index(number);
        if self.listed.len() <= index {
            self.listed.resize(index + 1, false);
        }
        if !core::mem::replace(&mut self.listed[index], true) {
            self.list.push(number);
        }
    }

    /// Takes the list, ascending, and starts a new one.
    pub(super) fn drain(&mut self) -> Vec<u32> {
        let mut list = core::mem::take(&mut self.list);
        for number in &list {
            self.listed[super::tables::index(*number)] = false;
        }
        list.sort_unstable();
        list
    }
}
