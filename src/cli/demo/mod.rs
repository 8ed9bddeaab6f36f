//! What `qrgate demo` is made of: a toy application, and the addresses a phone may reach it at.

pub mod addresses;
pub mod toy;
