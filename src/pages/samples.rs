//! One page of each kind, for testing templates before they are used.

use std::time::Duration;

use http::StatusCode;

use super::page::{After, Approve, Code, Confirm, Device, Failure, Outcome, Page, Start, Tried, TypeCode};
use crate::stay::Stay;
use crate::ticket::Reason;

pub(super) fn all() -> Vec<Page> {
    let minute = Duration::from_secs(60);
    let stay = || vec![Stay::Browser, Stay::Hours(8), Stay::Days(14)];
    let link = "https://example.com/qr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/";
    let phone =
        Device { label: "Safari on iPhone".into(), address: Some("203.0.113.7".into()), same_network: Some(true) };
    let code = |by_number, unreachable: Option<&str>| {
        Page::Code(Code {
            link: link.into(),
            name: Some("Ana".into()),
            expires_in: 2 * minute,
            by_number,
            desk: "D".into(),
            view: "V".into(),
            next: Some("/notes?a=1&b=2".into()),
            stay: if by_number { stay() } else { Vec::new() },
            typed: by_number.then(|| "BCDF-GHJK".into()),
            undo: by_number,
            unreachable: unreachable.map(str::to_owned),
        })
    };
    let confirm = |account: Option<&str>, current: Option<&str>, same_network| {
        let (account, current) = (account.map(str::to_owned), current.map(str::to_owned));
        let computer = Device { label: "Chrome on Linux".into(), address: None, same_network };
        let computer_known = same_network.is_some();
        Page::Confirm(Confirm {
            account,
            current,
            computer,
            computer_known,
            next: same_network.map(|_| "/notes".into()),
            stay: same_network.map(|_| stay()).unwrap_or_default(),
            age: Duration::from_secs(12),
            proof: "P".into(),
        })
    };
    let type_code = |current: Option<&str>, tried| {
        let current = current.map(str::to_owned);
        Page::TypeCode(TypeCode { current, next: Some("/notes?a=1&b=2".into()), proof: "P".into(), tried })
    };
    let mut pages = vec![
        Page::Start(Start { after: After::Nothing, name: Some("Ana".into()), next: Some("/notes".into()) }),
        Page::Start(Start { after: After::Code, name: None, next: None }),
        Page::Start(Start { after: After::Expiry, name: None, next: None }),
        code(true, None),
        code(false, Some("http://localhost:8080/qr/")),
        type_code(None, Tried::NotYet),
        type_code(Some("bob"), Tried::NotYet),
        type_code(None, Tried::Malformed),
        type_code(None, Tried::Refused),
        confirm(Some("a••@example.com"), None, Some(true)),
        confirm(None, None, None),
        confirm(Some("a••"), Some("bob"), Some(false)),
        confirm(None, Some("bob"), None),
        Page::Waiting { number: 47, expires_in: minute, proof: "P".into() },
        Page::Finish { by_number: true, expires_in: minute, proof: "P".into() },
        Page::Finish { by_number: false, expires_in: minute, proof: "P".into() },
        Page::SigningIn { proof: "P".into() },
        Page::Done,
        Page::Used,
        Page::Cancelled,
        Page::TooLate { replaced: false },
        Page::TooLate { replaced: true },
        Page::InvalidCode,
        Page::Leave { to: "/account/devices?a=1&b=2".into() },
    ];
    let reasons = [Reason::Computer, Reason::Number, Reason::Phone, Reason::Application, Reason::SignedOut];
    pages.extend(reasons.map(|reason| Page::Refused { reason, message: None }));
    pages.push(Page::Refused { reason: Reason::Application, message: Some("Your account is locked.".into()) });
    let declined = reasons.map(Outcome::Declined);
    let others = [
        Outcome::Approved,
        Outcome::Spent,
        Outcome::Undone,
        Outcome::NotUndone,
        Outcome::NothingToUndo,
        Outcome::Late,
        Outcome::Early,
        Outcome::Malformed,
        Outcome::Denied,
    ];
    let approve = |outcome| Approve {
        outcome,
        device: Some(phone.clone()),
        desk: "D".into(),
        by_number: true,
        next: None,
        stay: stay(),
        chosen: Some(Stay::Days(14)),
        undo: !matches!(outcome, Outcome::Late),
    };
    pages.extend(declined.into_iter().chain(others).map(|outcome| Page::Approve(approve(outcome))));
    pages.push(Page::Approve(Approve {
        device: None,
        by_number: false,
        stay: Vec::new(),
        chosen: None,
        undo: false,
        ..approve(Outcome::Approved)
    }));
    pages.extend(failures().into_iter().map(Page::Error));
    pages
}

fn failures() -> Vec<Failure> {
    let wait = Duration::from_secs(200);
    let mut failures = vec![
        Failure::StillSignedOut { login_url: Some("/login?next=%2Fqr%2F".into()) },
        Failure::StillSignedOut { login_url: None },
        Failure::SignInFirst,
        Failure::SignInAgain,
        Failure::NotByPerson,
        Failure::OtherOrigin { origin: "https://app.example.com:8443".into() },
        Failure::ServiceWorker,
        Failure::NotAllowed,
        Failure::TooManyCodes { retry_after: wait },
        Failure::Unavailable,
        Failure::ApplicationAway,
        Failure::UnknownHost { host: "accounts.intranet.customer-services.example.org".into() },
        Failure::Loopback { host: "localhost:8080".into(), url: "http://192.168.1.20:8080/".into() },
        Failure::NotStripped { sub_path: "/shop".into() },
        Failure::InUse,
        Failure::SignInFailed { again: true },
        Failure::SignInFailed { again: false },
        Failure::OtherNetwork,
        Failure::OpenAgain,
        Failure::UnavailableHere,
        Failure::TooManyTries { retry_after: wait },
    ];
    let statuses = [400, 404, 405, 413, 414, 431, 500, 502, 503, 504];
    failures.extend(statuses.into_iter().filter_map(|code| StatusCode::from_u16(code).ok()).map(Failure::Status));
    failures
}
