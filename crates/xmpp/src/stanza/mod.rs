//! Stanzas: iq, message, presence, and their errors.
