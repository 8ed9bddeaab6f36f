//! The steps with which most stories begin.

use super::browser::{Browser, hidden};
use super::code::{path_of, scan};
use super::gate::TestGate;
use super::http::{Connection, Message};

/// A page with a code, as the computer shows it.
pub struct CodePage {
    /// Where the code leads: `/qr/<token>/`.
    pub path: String,
    pub desk: String,
    pub view: String,
}

/// Presses the button at `/qr/` and reads the page with the code.
pub fn show_code(computer: &mut Browser) -> CodePage {
    let response = computer.post("/qr/", "");
    assert_eq!(response.status(), 200, "{}", response.text());
    code_page(&response)
}

/// Parses the page with the code.
pub fn code_page(response: &Message) -> CodePage {
    let page = response.text();
    let path = path_of(&scan(&page));
    let desk = hidden(&page, "desk");
    let view = page.split("/qr/status/").nth(1).expect("a status address").chars().take(43).collect();
    CodePage { path, desk, view }
}

impl CodePage {
    pub fn token(&self) -> &str {
        self.path.trim_start_matches("/qr/").trim_end_matches('/')
    }

    /// The current status, as the page's script would read it.
    pub fn status(&self, browser: &mut Browser) -> serde_json::Value {
        browser.request("GET", &format!("/qr/status/{}", self.view), &[], None).json()
    }

    pub fn state(&self, browser: &mut Browser) -> String {
        self.status(browser)["state"].as_str().unwrap_or("none").to_owned()
    }

    /// The stream of its events, after the response head.
    pub fn events(&self, gate: &TestGate) -> Connection {
        let mut stream = gate.connect();
        let target = format!("/qr/status/{}", self.view);
        let head = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", gate.address);
        stream.write(head.as_bytes());
        assert_eq!(stream.read_head().expect("a head").status(), 200);
        stream
    }

    /// Types a number at the computer.
    pub fn type_number(&self, browser: &mut Browser, number: &str) -> Message {
        let form = format!("desk={}&number={number}", self.desk);
        browser.request("POST", "/qr/approve", &["Origin: null", "Content-Type: text/plain"], Some(&form))
    }

    /// Undoes the sign-in.
    pub fn undo(&self, browser: &mut Browser) -> Message {
        let form = format!("desk={}", self.desk);
        browser.request("POST", "/qr/undo", &["Origin: null", "Content-Type: text/plain"], Some(&form))
    }

    pub fn decline(&self, browser: &mut Browser) -> Message {
        let form = format!("desk={}&decision=decline", self.desk);
        browser.request("POST", "/qr/approve", &["Origin: null", "Content-Type: text/plain"], Some(&form))
    }
}

/// Opens the code on the phone and returns the form's token.
pub fn open(phone: &mut Browser, code: &CodePage) -> String {
    let response = phone.get(&code.path);
    assert_eq!(response.status(), 200, "{}", response.text());
    hidden(&response.text(), "proof")
}

/// Presses a button on the phone.
pub fn press(phone: &mut Browser, code: &CodePage, action: &str, proof: &str) -> Message {
    phone.post(&code.path, &format!("proof={proof}&action={action}"))
}

/// Opens the code and presses Continue: the phone now has the claim. Returns the number and the form token.
pub fn claim(phone: &mut Browser, code: &CodePage) -> (String, String) {
    let proof = open(phone, code);
    let response = press(phone, code, "continue", &proof);
    assert_eq!(response.status(), 303, "{}", response.text());
    (number(phone, code), proof)
}

/// The two digits that the phone shows.
pub fn number(phone: &mut Browser, code: &CodePage) -> String {
    let page = phone.get(&code.path).text();
    assert!(page.contains("data-state=\"claimed\""), "{page}");
    let marker = page.split("id=\"code-number\"").nth(1).or_else(|| page.split("class=\"number\"").nth(1));
    let digits: String =
        marker.expect("a number").chars().skip_while(|c| *c != '>').filter(char::is_ascii_digit).take(2).collect();
    assert_eq!(digits.len(), 2, "{page}");
    digits
}

/// All steps until a phone is signed in.
pub fn signed_in(computer: &mut Browser, phone: &mut Browser) -> CodePage {
    let (code, proof) = approved(computer, phone);
    let landed = press(phone, &code, "finish", &proof);
    assert_eq!(landed.status(), 303, "{}", landed.text());
    code
}

/// All steps until the ticket is approved. Returns the phone's form token.
pub fn approved(computer: &mut Browser, phone: &mut Browser) -> (CodePage, String) {
    let code = show_code(computer);
    let (number, proof) = claim(phone, &code);
    let response = code.type_number(computer, &number);
    assert_eq!(response.json()["state"], "approved", "{}", response.text());
    (code, proof)
}
