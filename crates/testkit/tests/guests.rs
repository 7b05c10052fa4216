//! Browser guests: people without Snug, by the page that the server itself serves. Server and
//! browser are on two computers of a network of their own, which leads nowhere else.

#[path = "guests/chat.rs"]
mod chat;
#[path = "guests/page.rs"]
mod page;
#[path = "guests/visits.rs"]
mod visits;
