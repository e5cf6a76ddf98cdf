//! The kinds of problem that the API answers with, each with its status and name.

use axum::http::StatusCode;

/// Every kind of problem, once: its name in the code, in `type`, and its status.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident $text:literal,)*) => {
        /// What kind of problem it is: programs compare `urn:tidings:problem:` and its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ProblemKind {
            $($(#[$doc])* $name,)*
        }

        impl ProblemKind {
            /// All of them, as `docs/errors.md` lists them.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The status that it is answered with.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)*
                }
            }

            /// Its name in `type`.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// The body is not JSON.
    NotJson = BAD_REQUEST "not-json",
    /// The body broke off.
    Incomplete = BAD_REQUEST "incomplete",
    /// No key, or a wrong one.
    Unauthorized = UNAUTHORIZED "unauthorized",
    /// The key's scope does not reach.
    Scope = FORBIDDEN "scope",
    /// The operator's role does not reach.
    Role = FORBIDDEN "role",
    /// A form that this console did not make.
    Forged = FORBIDDEN "forged",
    /// The policy forbids it.
    Forbidden = FORBIDDEN "forbidden",
    /// What was named does not exist.
    NotFound = NOT_FOUND "not-found",
    /// There is no such path.
    UnknownRoute = NOT_FOUND "unknown-route",
    /// androidpn's form knows no such action.
    UnknownAction = NOT_FOUND "unknown-action",
    /// The path does not take this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed",
    /// The request was not complete, or not answered, in time.
    Timeout = REQUEST_TIMEOUT "timeout",
    /// A name is taken.
    Conflict = CONFLICT "conflict",
    /// The body is larger than it may be.
    TooLarge = PAYLOAD_TOO_LARGE "too-large",
    /// The body is of another type than is taken here.
    MediaType = UNSUPPORTED_MEDIA_TYPE "media-type",
    /// Fields are wrong.
    InvalidFields = UNPROCESSABLE_ENTITY "invalid-fields",
    /// Too many attempts from one address.
    Throttled = TOO_MANY_REQUESTS "throttled",
    /// As much waits for a user, or in all, as may.
    QueueFull = TOO_MANY_REQUESTS "queue-full",
    /// The server failed at this request.
    Internal = INTERNAL_SERVER_ERROR "internal",
    /// There is too much to do right now.
    Overloaded = SERVICE_UNAVAILABLE "overloaded",
    /// The disk is full.
    DiskFull = SERVICE_UNAVAILABLE "disk-full",
    /// The store failed.
    StoreFailed = SERVICE_UNAVAILABLE "store-failed",
    /// The server does not take notifications at the moment.
    NotReady = SERVICE_UNAVAILABLE "not-ready",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Status and name of every kind that the table of the section "HTTP" lists.
    fn documented() -> Vec<(u16, String)> {
        let text = include_str!("../../../../docs/errors.md");
        let (_, section) = text.split_once("\n## HTTP\n").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let mut rows = Vec::new();
        for line in section.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, status, names, ..] = cells.as_slice() else { continue };
            let Ok(status) = status.parse() else { continue };
            rows.extend(names.split(',').map(|name| (status, name.trim().trim_matches('`').to_owned())));
        }
        rows
    }

    #[test]
    fn the_document_lists_every_kind_once_and_no_other() {
        let documented = documented();
        let known: BTreeSet<(u16, String)> =
            ProblemKind::ALL.iter().map(|kind| (kind.status().as_u16(), kind.name().to_owned())).collect();
        assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), known);
        assert_eq!(documented.len(), known.len(), "a kind is listed twice");
        assert_eq!(known.len(), ProblemKind::ALL.len(), "two kinds share a name");
    }
}
