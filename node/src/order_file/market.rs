//! What the runner needs of a market besides its commands.

use gridbook_engine::image::RestingOrder;
use gridbook_engine::reference::Reference;
use gridbook_engine::{Engine, Market, MarketRules, Network, RulesError};

/// A market that an order file can be run on.
pub trait FileMarket: Market + Send + Sized {
    /// An empty market. Only if `goes_back` will it be asked to roll back to a mark.
    ///
    /// # Errors
    /// If the rules make no sense together.
    fn for_file(rules: MarketRules, network: Network, goes_back: bool) -> Result<Self, RulesError>;

    /// Gives up going back, so that what could be undone does not fill the memory.
    fn forget_way_back(&mut self);

    /// All that rests in the books, in any order.
    fn all_resting(&self) -> Vec<RestingOrder>;
}

impl FileMarket for Engine {
    fn for_file(rules: MarketRules, network: Network, goes_back: bool) -> Result<Self, RulesError> {
        let mut engine = Self::new(rules, network)?;
        if !goes_back {
            engine.without_undo();
        }
        Ok(engine)
    }

    fn forget_way_back(&mut self) {
        let now = self.mark();
        self.forget(now);
    }

    fn all_resting(&self) -> Vec<RestingOrder> {
        self.resting().collect()
    }
}

/// For tests: the slow twin. It does not list what rests, so its closing digest covers answers, time, edges and blocks only.
impl FileMarket for Reference {
    fn for_file(rules: MarketRules, network: Network, _: bool) -> Result<Self, RulesError> {
        Self::new(rules, network)
    }

    fn forget_way_back(&mut self) {}

    fn all_resting(&self) -> Vec<RestingOrder> {
        Vec::new()
    }
}
