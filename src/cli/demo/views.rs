//! The toy's two pages, in qrgate's own style.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, context};

use super::sessions::{Session, USERS};
use crate::pages;

/// The toy's name, on its pages and on those of qrgate.
pub const SITE: &str = "Notes";
/// The accent of both.
pub const ACCENT: &str = "#0f766e";

/// Seconds for which a page says that its session arrived a moment ago.
const MOMENT: u64 = 10 * 60;

const FILES: [(&str, &str); 6] = [
    ("base.html", include_str!("../../../templates/demo/base.html")),
    ("login.html", include_str!("../../../templates/demo/login.html")),
    ("home.html", include_str!("../../../templates/demo/home.html")),
    ("avatar.html", include_str!("../../../templates/demo/avatar.html")),
    ("button.html", include_str!("../../../templates/demo/button.html")),
    ("style.css", include_str!("../../../templates/demo/style.css")),
];

/// The templates of the pages.
pub struct Views(Environment<'static>);

impl Views {
    /// # Errors
    ///
    /// When a template does not parse.
    pub fn new() -> Result<Views, Error> {
        let mut environment = Environment::new();
        for (name, source) in FILES {
            environment.add_template(name, source)?;
        }
        environment.add_global("style", Value::from_safe_string(pages::style(ACCENT)));
        environment.add_global("icon", Value::from_safe_string(pages::icon(SITE, ACCENT)));
        Ok(Views(environment))
    }

    /// The sign-in page. `next`: the path to return to.
    pub fn login(&self, next: &str) -> Result<String, Error> {
        self.0.get_template("login.html")?.render(context! { users => Value::from(Serde(&USERS)), next })
    }

    /// A user's notes, for a phone or tablet (`is_handheld`) or for a computer. `elsewhere`: the demo's address for a
    /// phone, if it is not that of this page.
    pub fn home(
        &self,
        session: &Session,
        now: u64,
        is_handheld: bool,
        elsewhere: Option<&str>,
    ) -> Result<String, Error> {
        let arrived = session.arrival.as_ref().filter(|arrival| now.saturating_sub(arrival.at) < MOMENT);
        self.0.get_template("home.html")?.render(context! {
            user => Value::from(Serde(session.user)),
            arrived_from => arrived.map(|arrival| arrival.from.as_str()),
            is_handheld,
            elsewhere,
            has_button => session.arrival.is_none() && elsewhere.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::sessions::Arrival;

    fn home(arrived: Option<u64>, is_handheld: bool, elsewhere: Option<&str>) -> String {
        let arrival = arrived.map(|at| Arrival { from: "Chrome on <Linux>".to_owned(), at });
        let session = Session { user: &USERS[0], auth_time: 0, arrival };
        Views::new().unwrap().home(&session, 1000, is_handheld, elsewhere).unwrap()
    }

    const STRIP: &str = "Signed in by scanning, a moment ago, from Chrome on &lt;Linux&gt;. <strong>No password typed.";
    const BUTTON: &str = "<form method=\"post\" action=\"/qr/\"><button>Sign in on your phone</button></form>";

    #[test]
    fn a_session_of_the_computer_has_the_button_for_the_phone() {
        let html = home(None, false, None);
        assert!(html.contains(BUTTON) && html.contains("Ana Lindqvist") && !html.contains("role=\"status\""));
        assert!(html.contains("--accent:#0f766e") && html.contains("color-scheme: light dark"));
    }

    #[test]
    fn a_session_that_arrived_says_so_for_a_while_and_has_no_button() {
        let html = home(Some(990), true, None);
        assert!(html.contains(STRIP) && !html.contains(BUTTON), "{html}");
        let html = home(Some(1000 - MOMENT), true, None);
        assert!(!html.contains(STRIP) && !html.contains(BUTTON));
    }

    #[test]
    fn a_phone_can_sign_a_computer_in() {
        let html = home(None, true, None);
        assert!(html.contains("Use Notes on your computer") && !html.contains(BUTTON), "{html}");
        assert!(home(Some(990), false, None).contains("Signed in with a code, a moment ago, from Chrome"));
        assert!(
            Views::new().unwrap().login("/").unwrap().contains("href=\"/qr/code/?next=/\">Sign in with your phone")
        );
    }

    #[test]
    fn an_address_that_no_phone_can_open_leads_to_the_one_it_can() {
        let html = home(None, false, Some("http://192.168.1.20:8080/")).replace("&#x2f;", "/");
        let link = "<a href=\"http://192.168.1.20:8080/\">Open http://192.168.1.20:8080/ to try it with your phone</a>";
        assert!(html.contains(link) && !html.contains(BUTTON), "{html}");
    }

    #[test]
    fn the_button_is_the_one_that_the_documentation_shows() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/button.md")).unwrap();
        let shown = page.split("```html\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        assert_eq!(shown, include_str!("../../../templates/demo/button.html"));
    }

    #[test]
    fn the_sign_in_page_carries_the_way_back_along() {
        let html = Views::new().unwrap().login("/qr/?from=login&\"x\"").unwrap().replace("&#x2f;", "/");
        assert!(html.contains("name=\"next\" value=\"/qr/?from=login&amp;&quot;x&quot;\""), "{html}");
        assert!(html.contains("value=\"ana\"") && html.contains("Bob Okafor"));
    }
}
