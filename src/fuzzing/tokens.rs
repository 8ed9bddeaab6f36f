//! Tokens and capabilities: each has one spelling, and the kinds cannot be confused.

use http::{Method, Uri};

use crate::target::{Reserved, Route, TicketRoute, decide};
use crate::token::{BrowserId, Desk, Token, View};

thread_local!(static RESERVED: Reserved = Reserved::new("/qr/", &[], ""));

/// The input is read as a token, a browser cookie, a desk and a view.
///
/// - Writing an accepted value gives the same text, so there is no second spelling.
/// - A token has 44 characters of base64url and a capability 43, so they cannot be confused.
/// - The path of a ticket contains a valid token, and every valid token gives such a path.
/// - The view that is derived from a desk differs from the desk.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let alphabet = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let token = Token::parse(text);
    assert_eq!(token.is_some(), alphabet && text.len() == 44, "{text} as a token");
    if let Some(token) = &token {
        assert_eq!(*token.text(), text);
        assert!(!format!("{token:?}").contains(text), "a token prints itself");
    }
    if let Ok(address) = format!("/qr/{text}/").parse::<Uri>()
        && !text.contains(['?', '#'])
    {
        let in_address = RESERVED.with(|reserved| match decide(&Method::GET, &address, reserved) {
            Route::Ticket(TicketRoute::Token(token)) => Some(token.to_owned()),
            _ => None,
        });
        assert_eq!(in_address, token.map(|token| token.text().to_string()), "in an address");
    }
    let (browser, desk, view) = (BrowserId::parse(text), Desk::parse(text), View::parse(text));
    // The last character has two spare bits, which are zero in the canonical spelling.
    let last_fits = text.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
    let expected = alphabet && text.len() == 43 && last_fits;
    assert_eq!((browser.is_some(), desk.is_some(), view.is_some()), (expected, expected, expected), "{text}");
    if let (Some(browser), Some(desk), Some(view)) = (browser, desk, view) {
        assert_eq!((browser.text().as_str(), desk.text().as_str(), view.text().as_str()), (text, text, text));
        assert!(desk.view().text().as_str() != text && desk.view().index().shard == view.index().shard);
        assert!(!format!("{browser:?}{desk:?}{view:?}").contains(text), "a capability prints itself");
    }
}
