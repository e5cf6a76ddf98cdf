//! How much a peer may send.

mod world;

use std::time::Duration;

use tidings_core::model::Counters;
use world::{World, attribute, to};

fn receipt(id: &str) -> String {
    format!("<message to='push.test'><received xmlns='urn:xmpp:receipts' id='{id}'/></message>")
}

/// The ids of the notifications in `xml`.
fn ids(xml: &str) -> Vec<String> {
    xml.split("<message type='headline'").skip(1).map(|message| attribute(message, "id")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_too_much_is_read_more_slowly() {
    let world = World::new().await;
    world.account("ana").await;
    let (mut device, _) = world.available("ana", "phone").await;
    let start = tokio::time::Instant::now();
    let mut answered = 0;
    while answered < 900 {
        // What the network brings at once; then it is not read from.
        world.pass(device.paused()).await;
        for _ in 0..30 {
            let topic = format!("topic{answered}");
            let answer = device
                .send(&format!(
                    "<iq type='set' id='s'><subscribe xmlns='urn:tidings:push:1' topic='{topic}'/></iq>"
                ))
                .await;
            assert!(answer.contains("type='result'"), "{answer}");
            answered += 1;
        }
    }
    let took = start.elapsed();
    assert!((Duration::from_secs(7)..Duration::from_secs(12)).contains(&took), "{took:?}");
    assert!(device.is_open());
}

#[tokio::test(start_paused = true)]
async fn receipts_for_a_long_queue_are_not_too_much() {
    let world = World::new().await;
    world.account("ana").await;
    let mut waiting = Vec::new();
    for number in 0..1500 {
        waiting.push(world.send(to("ana"), &format!("{number}")).await.id);
    }
    let (mut device, mut received) = world.available("ana", "phone").await;
    let mut got = Vec::new();
    while got.len() < waiting.len() {
        let batch = ids(&received);
        assert!(!batch.is_empty(), "after {} of {}: {received}", got.len(), waiting.len());
        received.clear();
        for id in batch {
            received += &device.send(&receipt(&id)).await;
            got.push(id);
        }
        world.pass(Duration::ZERO).await;
        received += &device.receive().await;
    }
    assert!(device.is_open());
    let wanted: Vec<String> = waiting.iter().map(ToString::to_string).collect();
    assert_eq!(got, wanted, "all, once, in order");
    let last = waiting.last().unwrap();
    assert_eq!(world.counters(*last).await, Counters { recipients: 1, delivered: 1, ..Counters::default() });
}
