//! `tidings send`: a notification through a server's HTTP API.

use std::io::Read as _;
use std::time::Duration;

use clap::{ArgGroup, ValueEnum};
use serde_json::{Map, Value, json};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_core::model::Timestamp;
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
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    title: Option<String>,
    /// The text; - reads it from standard input
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Option<String>,
    /// What opens on a tap
    #[arg(long, value_name = "URI")]
    uri: Option<String>,
    /// A picture's address
    #[arg(long, value_name = "URL")]
    image: Option<String>,
    /// Something for the app (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, allow_hyphen_values = true)]
    data: Vec<(String, String)>,
    /// How long it may wait for a device: seconds, or 30m, 12h, 7d, 2w
    #[arg(long, value_name = "TIME", value_parser = span)]
    ttl: Option<Duration>,
    /// How urgent it is
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// Replace what still waits with the same key
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    collapse_key: Option<String>,
    /// When to send it: 2026-12-24T18:00:00+01:00, or +10m from now
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    at: Option<String>,
    /// A repeat with the same key within a day sends nothing again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Print the server's whole answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Priority {
    Low,
    Normal,
    High,
}

/// More than a notification takes.
const MESSAGE_BYTES: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Prints the notification's id once it is on the server's disk.

Examples:
  tidings send --all --title 'Shop closes early' --message 'Today at four.' --ttl 6h
  tidings send --user alice --user bob --message Lunch? --priority high
  tidings send --topic weather --title Storm --data level=3 --collapse-key storm
  tidings send --all --title 'Good morning' --at +8h
  df -h | tidings send --user admin --title Disks --message -

The server and the key may also come from TIDINGS_SERVER and TIDINGS_API_KEY.";

/// Sends it, and prints its id.
///
/// # Errors
/// One line: what the server says of it.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let api = Api::of(&args.server)?;
    let headers: Vec<_> = args.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    let input = match args.message.as_deref() {
        Some("-") => Some(read_message(std::io::stdin().lock())?),
        _ => None,
    };
    let body = body(args, input.as_deref());
    let answer = api.call_with(Method::POST, "/v1/notifications", Some(&body), &headers)?;
    if args.json {
        output::line(&answer);
        return Ok(());
    }
    let id = answer.get("id").and_then(Value::as_str);
    output::line(id.ok_or_else(|| Failure::failed("the server's answer has no id"))?);
    Ok(())
}

/// A message from standard input, without the line break at its end.
fn read_message(input: impl std::io::Read) -> Result<String, Failure> {
    let mut text = String::new();
    let read = input.take(MESSAGE_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| {
        Failure::failed(format!("the message cannot be read from standard input: {error}"))
    })?;
    if text.len() as u64 > MESSAGE_BYTES {
        return Err(Failure::failed(format!("the message is longer than {MESSAGE_BYTES} bytes")));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// `input` is the message that was read from standard input.
fn body(args: &Args, input: Option<&str>) -> Value {
    let to = match (&args.topic, args.user.as_slice()) {
        (Some(topic), _) => json!({ "topic": topic }),
        (None, [user]) => json!({ "user": user }),
        (None, []) => json!({ "all": true }),
        (None, users) => json!({ "users": users }),
    };
    let texts = [
        ("title", args.title.as_deref()),
        ("message", input.or(args.message.as_deref())),
        ("uri", args.uri.as_deref()),
        ("image", args.image.as_deref()),
        ("collapse_key", args.collapse_key.as_deref()),
        ("send_at", args.at.as_deref()),
    ];
    let mut body = Map::from_iter([("to".to_owned(), to)]);
    for (name, text) in texts {
        body.extend(text.map(|text| (name.to_owned(), json!(text))));
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

/// `90`, `90s`, `30m`, `12h`, `7d`, `2w`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "write seconds, or a number with s, m, h, d or w, such as 30m".to_owned();
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// RFC 3339, or `+SPAN` from now, as RFC 3339.
fn moment(text: &str) -> Result<String, String> {
    let Some(later) = text.strip_prefix('+') else {
        let at = Timestamp::parse(text).ok_or(
            "write a date and time with an offset such as 2026-12-24T18:00:00+01:00, or +10m from now",
        )?;
        return if at.can_be_written() { Ok(text.to_owned()) } else { Err(TOO_FAR.to_owned()) };
    };
    let at = SystemClock.now().plus(span(later)?);
    if at.can_be_written() { Ok(at.to_string()) } else { Err(TOO_FAR.to_owned()) }
}

const TOO_FAR: &str = "that is too far away";

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
        Ok(body(&Line::try_parse_from([&["send"], line].concat())?.args, None))
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
        let cold = parsed(&["--all", "--title", "-5 degrees", "--message", "-", "--data", "-k=-v"]).unwrap();
        assert_eq!(cold["title"], json!("-5 degrees"));
        assert_eq!((&cold["message"], &cold["data"]), (&json!("-"), &json!({"-k": "-v"})));
    }

    #[test]
    fn a_message_from_standard_input_loses_its_last_line_break() {
        for (input, message) in [("a\nb\n", "a\nb"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", "")] {
            assert_eq!(read_message(input.as_bytes()).unwrap(), message);
        }
        assert!(read_message(&b"\xff"[..]).is_err());
        assert!(read_message(std::io::repeat(b'x')).is_err());
    }

    #[test]
    fn wrong_usage() {
        assert!(parsed(&["--all"]).is_err(), "nothing to say");
        assert!(parsed(&["--title", "t"]).is_err(), "no audience");
        assert!(parsed(&["--all", "--user", "a", "--title", "t"]).is_err(), "two audiences");
        for bad in ["x", "10y", "", "-1", "99999999999999999999", "999999999999999999w"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(span("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert!(moment("tomorrow").is_err());
        assert!(moment("2026-01-02 03:04").is_err());
        assert!(moment("+10m").unwrap().ends_with('Z'));
        for far in ["+999999999d", "+9223372036854775807", "9999-12-31T23:59:59-01:00"] {
            assert_eq!(moment(far), Err(TOO_FAR.to_owned()), "{far}");
        }
    }
}
