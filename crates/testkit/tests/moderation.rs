//! The host is in charge: each control acts on each sort of participant, and nobody else has any.

#[path = "moderation/doors.rs"]
mod doors;
#[path = "moderation/people.rs"]
mod people;
#[path = "moderation/silence.rs"]
mod silence;
