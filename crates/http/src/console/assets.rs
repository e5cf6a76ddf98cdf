//! The stylesheet, the script and the icon, compiled in. Their addresses change
//! with their content, so browsers may keep them.

use std::sync::LazyLock;

use axum::http::Uri;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;
use crate::request::Segment;

const CSS: &str = include_str!("../../assets/console.css");
const JS: &str = include_str!("../../assets/console.js");
const ICON: &str = include_str!("../../assets/icon.svg");

/// The stylesheet's address.
pub(crate) fn css() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| versioned("console.css", CSS));
    &PATH
}

/// The script's address.
pub(crate) fn js() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| versioned("console.js", JS));
    &PATH
}

fn versioned(name: &str, content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    let version: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/{name}?v={version}")
}

/// The content of today, whatever version was asked for; only where it is that one it may be kept
/// for good.
pub(crate) async fn show(Segment(name): Segment, uri: Uri) -> Result<Response, Problem> {
    let (kind, content, path) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", CSS, css()),
        "console.js" => ("text/javascript; charset=utf-8", JS, js()),
        "icon.svg" => ("image/svg+xml", ICON, ""),
        _ => return Err(Problem::not_found("there is no such file")),
    };
    let version = path.split_once('?').map(|(_, query)| query);
    let kept = match version.is_some() && uri.query() == version {
        true => "public, max-age=31536000, immutable",
        false => "public, max-age=3600",
    };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, kept)], content).into_response())
}
