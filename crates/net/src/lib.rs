//! tidings-net
