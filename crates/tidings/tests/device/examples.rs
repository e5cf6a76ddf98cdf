//! The SDK's examples, run against a real server.

use tidings_client::{Account, ClientError, LoginErrorKind, Trust};
use tidings_core::config::RegistrationPolicy;
use tidings_core::model::{Audience, Topic, Username};

use super::{World, soon};

#[expect(dead_code, reason = "its main reads a command line")]
#[path = "../../../client/examples/listen.rs"]
mod listen;
#[expect(dead_code, reason = "its main reads a command line")]
#[path = "../../../client/examples/register.rs"]
mod register;
#[expect(dead_code, reason = "its main reads a command line")]
#[path = "../../../client/examples/topics.rs"]
mod topics;

#[tokio::test(flavor = "multi_thread")]
async fn register_makes_an_account_once() {
    let world = World::new().await;
    let path = world.file("phone.json");
    let certificate = std::fs::read(world.certificate().chain_path()).unwrap();
    let builder = || world.device(world.xmpp).trust(Trust::Ca(certificate.clone()));
    let name = soon("a registration", register::register(builder(), &path)).await.unwrap().unwrap();
    let username = Username::parse(&name).unwrap();
    assert!(world.core().auth.account(&username).await.unwrap().is_some());
    let again = soon("a login", register::register(builder(), &path)).await.unwrap();
    assert_eq!(again, Some(name));
    assert_eq!(world.core().session.online(), 0, "it closes its session");

    let closed = World::with(|config| config.registration.policy = RegistrationPolicy::Closed).await;
    let builder = closed.device(closed.xmpp);
    let error = soon("a refusal", register::register(builder, &closed.file("phone.json"))).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Login(error) if error.kind() == LoginErrorKind::RegistrationRefused),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_takes_what_waits() {
    let world = World::new().await;
    let path = world.file("device.json");
    let name = soon("a registration", register::register(world.device(world.xmpp), &path)).await.unwrap();
    let to = Audience::Users(vec![Username::parse(&name.unwrap()).unwrap()]);
    let ids = [world.send(to.clone(), "one").await, world.send(to.clone(), "two").await];
    let third = world.send(to, "three").await;
    soon("two notifications", listen::listen(world.device(world.xmpp), 2)).await.unwrap();
    for id in ids {
        world.delivered(id).await;
    }
    let counters = world.counters(third, |_| true).await;
    assert_eq!((counters.delivered, counters.pending()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_takes_one_of_its_topic_and_is_no_subscriber_any_more() {
    let world = World::new().await;
    let path = world.file("device.json");
    let topic = Topic::parse("news").unwrap();
    let name = soon("a registration", register::register(world.device(world.xmpp), &path)).await.unwrap();
    let account = Account::load(&path).unwrap().unwrap();
    assert_eq!(Some(account.username), name);
    let running = tokio::spawn(topics::one_of(world.device(world.xmpp), "news"));
    // Of no use before the subscription is there.
    let id = soon("a subscriber", async {
        loop {
            let id = world.send(Audience::Topic(topic.clone()), "hello").await;
            if world.counters(id, |_| true).await.recipients == 1 {
                return id;
            }
        }
    })
    .await;
    let notification = soon("a notification", running).await.unwrap().unwrap();
    assert_eq!(notification.id, id.to_string());
    world.counters(id, |counters| (counters.delivered, counters.opened) == (1, 1)).await;
    let after = world.send(Audience::Topic(topic), "nobody is there").await;
    assert_eq!(world.counters(after, |_| true).await.recipients, 0);
}
