//! The accounts of the devices.

/// The password of all of them: what is measured is the server.
pub(crate) const PASSWORD: &str = "bench-password";

/// The account of the connection with this number.
pub(crate) fn username(number: usize) -> String {
    format!("bench-{number:07}")
}
