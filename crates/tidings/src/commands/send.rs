//! `tidings send`: a notification through a server's HTTP API.

use std::time::{Duration, SystemTime};

use clap::{ArgGroup, ValueEnum};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use ureq::http::Method;

use crate::api::Api;
use crate::args::ServerArgs;
use crate::failure::Failure;
use crate::output;

/// What `send` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    group(ArgGroup::new("audience").required(true).args(["all", "user", "topic"])),
    group(ArgGroup::new("content").required(true).multiple(true).args(["title", "message", "data"]))
)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// To every account
    #[arg(long)]
    all: bool,
    /// To this account (repeatable)
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// To the accounts that subscribed to this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// A short headline
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The text
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// What opens on a tap
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// A picture's address
    #[arg(long, value_name = "URL")]
    image: Option<String>,
    /// Something for the app (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    data: Vec<(String, String)>,
    /// How long it may wait for a device: seconds, or 30m, 12h, 7d
    #[arg(long, value_name = "TIME", value_parser = span)]
    ttl: Option<Duration>,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// Replace what still waits with the same key
    #[arg(long, value_name = "KEY")]
    collapse_key: Option<String>,
    /// When to send it: 2026-12-24T18:00:00+01:00, or +10m from now
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    at: Option<String>,
    /// A repeat with the same key within a day sends nothing again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Priority {
    Low,
    Normal,
    High,
}

const EXAMPLES: &str = "\
Prints the notification's id once it is on the server's disk.

Examples:
  tidings send --all --title 'Shop closes early' --message 'Today at four.' --ttl 6h
  tidings send --user alice --user bob --message Lunch? --priority high
  tidings send --topic weather --title Storm --data level=3 --collapse-key storm
  tidings send --all --title 'Good morning' --at +8h

The server and the key may also come from TIDINGS_SERVER and TIDINGS_API_KEY.";

/// Sends it, and prints its id.
///
/// # Errors
/// One line: what the server says of it.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let api = Api::of(&args.server)?;
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    let answer = api.call_with(Method::POST, "/v1/notifications", Some(&body(args)), &headers)?;
    let id = answer.get("id").and_then(Value::as_str);
    output::line(id.ok_or_else(|| Failure::failed("the server's answer has no id"))?);
    Ok(())
}

fn body(args: &Args) -> Value {
    let to = match (&args.topic, args.user.as_slice()) {
        (Some(topic), _) => json!({ "topic": topic }),
        (None, [user]) => json!({ "user": user }),
        (None, []) => json!({ "all": true }),
        (None, users) => json!({ "users": users }),
    };
    let texts = [
        ("title", &args.title),
        ("message", &args.message),
        ("uri", &args.uri),
        ("image", &args.image),
        ("collapse_key", &args.collapse_key),
        ("send_at", &args.at),
    ];
    let mut body = Map::from_iter([("to".to_owned(), to)]);
    for (name, text) in texts {
        body.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
    }
    if !args.data.is_empty() {
        let data: Map<_, _> = args.data.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        body.insert("data".to_owned(), data.into());
    }
    body.extend(args.ttl.map(|ttl| ("ttl".to_owned(), json!(ttl.as_secs()))));
    let priority = args.priority.map(|priority| match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    });
    body.extend(priority.map(|priority| ("priority".to_owned(), json!(priority))));
    body.into()
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// `90`, `90s`, `30m`, `12h`, `7d`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write seconds, or a number with s, m, h or d, such as 30m".to_owned();
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// RFC 3339, or `+SPAN` from now, as RFC 3339.
fn moment(text: &str) -> Result<String, String> {
    let Some(later) = text.strip_prefix('+') else {
        let parsed = OffsetDateTime::parse(text, &Rfc3339);
        return parsed.map(|_| text.to_owned()).map_err(|_| {
            "write a date and time with an offset such as 2026-12-24T18:00:00+01:00, or +10m from now"
                .to_owned()
        });
    };
    let at = SystemTime::now().checked_add(span(later)?).ok_or("that is too far away")?;
    OffsetDateTime::from(at).format(&Rfc3339).map_err(|_| "that is too far away".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &[&str]) -> Result<Value, clap::Error> {
        Ok(body(&Line::try_parse_from([&["send"], line].concat())?.args))
    }

    #[test]
    fn the_body_is_what_was_said() {
        let all = parsed(&["--all", "--title", "t", "--ttl", "2h", "--priority", "high"]).unwrap();
        assert_eq!(all, json!({"to": {"all": true}, "title": "t", "ttl": 7200, "priority": "high"}));
        let one = parsed(&["--user", "a", "--data", "k=v=w", "--data", "l="]).unwrap();
        assert_eq!(one, json!({"to": {"user": "a"}, "data": {"k": "v=w", "l": ""}}));
        let two = parsed(&["--user", "a", "--user", "b", "--message", "m"]).unwrap();
        assert_eq!(two["to"], json!({"users": ["a", "b"]}));
        let topic = parsed(&["--topic", "news", "--message", "m", "--at", "2026-01-02T03:04:05Z"]).unwrap();
        assert_eq!(topic["to"], json!({"topic": "news"}));
        assert_eq!(topic["send_at"], json!("2026-01-02T03:04:05Z"));
    }

    #[test]
    fn wrong_usage() {
        assert!(parsed(&["--all"]).is_err(), "nothing to say");
        assert!(parsed(&["--title", "t"]).is_err(), "no audience");
        assert!(parsed(&["--all", "--user", "a", "--title", "t"]).is_err(), "two audiences");
        for bad in ["x", "10w", "", "-1", "99999999999999999999"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert!(moment("tomorrow").is_err());
        assert!(moment("2026-01-02 03:04").is_err());
        assert!(moment("+10m").unwrap().ends_with('Z'));
    }
}
