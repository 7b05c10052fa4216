//! A participant: session, signalling, transport, publish, subscribe, reconnect.
