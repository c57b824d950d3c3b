//! A validator whose door lies to clients: it listens in the validator's name, with its key, passes on what clients say, and changes what
//! they hear.

use std::collections::BTreeMap;

use bytes::Bytes;
use gridbook_net::{ConnectionId, MeterClient, MeterEndpoint, MeterEvent, MeterSender, MeterServerConfig, Quotas};
use gridbook_node::config::Peer;
use gridbook_node::protocol::Answer;

use crate::house::House;

/// Opens the door of a validator. `lie` says what a client hears in the place of an answer of the true validator. Gives how the door is
/// reached.
pub(crate) async fn open_door<L>(house: &'static House, validator: usize, lie: L) -> Peer
where
    L: Fn(Answer) -> Vec<Answer> + Clone + Send + 'static,
{
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let config = MeterServerConfig::new(*house.validator_key(validator).seed(), listen, Quotas::default());
    let (endpoint, mut events) = MeterEndpoint::bind(config).unwrap();
    let peer = Peer { address: endpoint.local_addr().unwrap(), ..house.peer(validator) };
    // It is open as long as the runtime lives.
    let open = house.doors.read().await;
    tokio::spawn(async move {
        let _open = open;
        let mut lines = BTreeMap::new();
        let mut batch = Vec::new();
        while events.recv_many(&mut batch, 64).await > 0 {
            for event in batch.drain(..) {
                match event {
                    MeterEvent::Opened { connection, .. } => {
                        let line = house.line_to(validator).await;
                        let line = pass_on(line, lie.clone(), endpoint.clone(), connection);
                        lines.insert(connection, line);
                    }
                    MeterEvent::Frame { connection, bytes } => lines[&connection].send(bytes).await.unwrap(),
                    MeterEvent::OverQuota { .. } => panic!("one client sends a few requests"),
                    MeterEvent::Closed { connection } => _ = lines.remove(&connection),
                }
            }
        }
    });
    peer
}

/// A line to the true validator, whose answers go back to the client as the door tells them.
fn pass_on<L>(line: MeterClient, lie: L, endpoint: MeterEndpoint, connection: ConnectionId) -> MeterSender
where
    L: Fn(Answer) -> Vec<Answer> + Send + 'static,
{
    let (sender, mut receiver) = line.split();
    tokio::spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            for answer in lie(Answer::decode(&bytes).unwrap()) {
                // A client that is gone hears nothing more.
                let _ = endpoint.send(connection, Bytes::from(answer.encode()));
            }
        }
    });
    sender
}
