//! What is said inside a channel: ids, media events, link grammar, names, reason codes.
