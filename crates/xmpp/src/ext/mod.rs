//! One file an extension: what each reads from and writes to the wire.
