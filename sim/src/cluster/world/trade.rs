//! Clients: what they hand in, and what they are told.

use gridbook_ledger::crypto::Hash;
use gridbook_ledger::reject::Code;
use gridbook_ledger::replica::Input;

use super::super::clients::Client;
use super::super::market::WALL_START_US;
use super::World;
use super::agenda::Event;

impl World {
    pub(super) fn let_client_act(&mut self, client: usize) -> Result<(), String> {
        let now_us = self.now_us();
        if self.clients[client].under_way.is_none() {
            if now_us >= self.closes_at_us() && !self.clients[client].is_setting_up() {
                return Ok(());
            }
            if client > 0 && self.clients[0].is_setting_up() {
                self.after(100_000, Event::Client(client));
                return Ok(());
            }
            let now = self.market.genesis.ledger_now(WALL_START_US + now_us);
            self.clients[client].next_bundle(&self.market, now);
            self.report.bundles += 1;
        }
        let due = self.clients[client].under_way.as_ref().is_some_and(|under_way| under_way.patience_us <= now_us);
        if due {
            self.submit(client)?;
        }
        let (soon_us, late_us) = self.mix.client_us;
        let again_us = self.clients[client].dice.between(soon_us, late_us);
        self.after(again_us, Event::Client(client));
        Ok(())
    }

    fn submit(&mut self, client: usize) -> Result<(), String> {
        let now_us = self.now_us();
        let validators = self.processes.len();
        let Client { dice, under_way: Some(under_way), .. } = &mut self.clients[client] else { return Ok(()) };
        let to = dice.place(validators);
        let (id, bytes) = (under_way.id, under_way.bytes.clone());
        under_way.at = None;
        if self.processes[to].running.is_none() {
            return Ok(());
        }
        self.trace.absorb(now_us, 8, to, client, &id.0.0);
        let accepted = match self.processes[to].admit(&bytes, &self.market, now_us) {
            Ok(admitted) => {
                self.feed(to, Input::Submitted(vec![admitted]))?;
                self.end_turn(to);
                true
            }
            Err(refusal) if refusal.code == Code::AuthReplay => {
                if self.processes[to].knows_final(id.0) {
                    self.finish(client, id.0);
                    return Ok(());
                }
                let replica = self.processes[to].running.as_ref().map(|running| &running.replica);
                replica.is_some_and(|replica| replica.is_under_way(id))
            }
            // Not heard of yet here, or suspended just now.
            Err(refusal) if matches!(refusal.code, Code::AuthUnknownDevice | Code::AuthSuspended) => false,
            Err(refusal) => return Err(format!("the door of {to} refuses an honest bundle: {}", refusal.code)),
        };
        let Client { dice, under_way: Some(under_way), .. } = &mut self.clients[client] else { return Ok(()) };
        if accepted {
            under_way.at = Some(to);
            under_way.patience_us = now_us + dice.between(1_500_000, 4_000_000);
        }
        Ok(())
    }

    pub(super) fn tell_clients(&mut self, by: usize, bundles: impl Iterator<Item = Hash>) {
        for bundle in bundles {
            let waiting = |client: &Client| {
                client.under_way.as_ref().is_some_and(|under_way| under_way.id.0 == bundle && under_way.at == Some(by))
            };
            if let Some(client) = self.clients.iter().position(waiting) {
                self.finish(client, bundle);
            }
        }
    }

    fn finish(&mut self, client: usize, bundle: Hash) {
        assert!(self.witness.is_final(bundle), "only what is final is told to be");
        self.clients[client].under_way = None;
        self.report.bundles_final += 1;
    }
}
