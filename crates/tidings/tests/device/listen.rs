//! `tidings listen`, the SDK on the command line.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use tidings_client::Account;
use tidings_core::config::RegistrationPolicy;
use tidings_core::model::{Audience, Content, Username};

use super::{World, soon};

fn listen(world: &World, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command
        .arg("listen")
        .args(["--server", &world.xmpp.to_string(), "--account"])
        .arg(world.file("listen.json"))
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits until the account that `listen` registers is online.
async fn listener(world: &World) -> Audience {
    let file = world.file("listen.json");
    soon("a listener", async {
        loop {
            if let Ok(Some(account)) = Account::load(&file)
                && let Ok(username) = Username::parse(&account.username)
                && world.core().session.online() == 1
            {
                return Audience::Users(vec![username]);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_prints_a_line_of_json_for_each_and_stops_when_it_has_enough() {
    let world = World::new().await;
    let child = listen(&world, &["--json", "--count", "2", "--topic", "news"]).spawn().unwrap();
    let to = listener(&world).await;
    let first = world.send(to.clone(), "one").await;
    let second = world.send(to, "two").await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = soon("the end of listen", output).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, (id, title)) in lines.iter().zip([(first, "one"), (second, "two")]) {
        assert_eq!(
            (line["id"].as_str(), line["title"].as_str()),
            (Some(id.to_string().as_str()), Some(title))
        );
        assert!(line["sent_at"].is_string() && line.get("message").is_none() && line.get("data").is_none());
        world.delivered(id).await;
    }
    let mode = std::fs::metadata(world.file("listen.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_acknowledges_nothing_that_it_could_not_print() {
    let world = World::new().await;
    let mut child = listen(&world, &[]).spawn().unwrap();
    let to = listener(&world).await;
    // As `tidings listen | head -0` does.
    drop(child.stdout.take());
    let id = world.send(to, "nobody reads this").await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = soon("the end of listen", output).await.unwrap().unwrap();
    assert!(output.status.success(), "quietly: {output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!errors.contains("tidings:"), "{errors}");
    let counters = world.counters(id, |_| true).await;
    assert_eq!((counters.delivered, counters.pending()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_runs_a_command_for_each_and_prints_no_line_that_a_sender_made() {
    let world = World::new().await;
    let told = world.file("told");
    let script = format!(
        "printf '%s|%s|%s|%s\\n' \"$TIDINGS_TITLE\" \"$TIDINGS_PRIORITY\" \"$TIDINGS_DATA\" \"$TIDINGS_URI\" >> {}; exit 3",
        told.display()
    );
    let child = listen(&world, &["--count", "2", "--exec", &script]).spawn().unwrap();
    let to = listener(&world).await;
    let content = Content {
        title: Some("it's $(x)".into()),
        data: [("k".to_owned(), "v\nFAKE\u{2028}LINE".to_owned())].into(),
        ..Content::default()
    };
    let first = world.send_content(to.clone(), content).await;
    let second = world.send(to, "two").await;
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = soon("the end of listen", output).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let ran = std::fs::read_to_string(&told).unwrap();
    assert_eq!(ran, "it's $(x)|normal|{\"k\":\"v\\nFAKE\u{2028}LINE\"}|\ntwo|normal||\n");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  k = v\\nFAKE LINE\n"), "{text}");
    assert!(!text.lines().any(|line| line.starts_with("FAKE")), "{text}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("exit status: 3"), "{errors}");
    // What was handed over is not offered again, whatever the command made of it.
    world.delivered(first).await;
    world.delivered(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_fails_with_one_line_where_trying_again_is_pointless() {
    let world = World::with(|config| config.registration.policy = RegistrationPolicy::Closed).await;
    for (more, status, words) in [
        (&[][..], 1, "the server closed registration"),
        (&["--domain", "elsewhere.test"], 1, "host-unknown"),
        (&["--ca", "/nonexistent.pem"], 1, "/nonexistent.pem"),
        (&["--count", "0"], 2, "--count"),
    ] {
        let mut command = listen(&world, more);
        let output = soon("the end of listen", tokio::task::spawn_blocking(move || command.output()));
        let output = output.await.unwrap().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{errors}");
        let lines: Vec<&str> = errors.lines().collect();
        assert!(matches!(lines.as_slice(), [line] if line.contains(words)), "{errors}");
    }
}
