//! Applications that an operator did not write, and that have a drop-in.

use clap::ValueEnum;

use super::page::Page;

/// An application with a page in docs/applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum App {
    CalibreWeb,
    Dokuwiki,
    Jupyterhub,
    Mediawiki,
    Redmine,
    Wagtail,
}

impl App {
    /// Its page.
    pub fn page(self) -> Page {
        let (path, text) = match self {
            App::CalibreWeb => {
                ("docs/applications/calibre-web.md", include_str!("../../docs/applications/calibre-web.md"))
            }
            App::Dokuwiki => ("docs/applications/dokuwiki.md", include_str!("../../docs/applications/dokuwiki.md")),
            App::Jupyterhub => {
                ("docs/applications/jupyterhub.md", include_str!("../../docs/applications/jupyterhub.md"))
            }
            App::Mediawiki => ("docs/applications/mediawiki.md", include_str!("../../docs/applications/mediawiki.md")),
            App::Redmine => ("docs/applications/redmine.md", include_str!("../../docs/applications/redmine.md")),
            App::Wagtail => ("docs/applications/wagtail.md", include_str!("../../docs/applications/wagtail.md")),
        };
        Page { path, text }
    }

    /// The application whose session cookie has one of these names. Wagtail and Calibre-Web have those of their framework.
    pub fn of_cookies(names: &[String]) -> Option<App> {
        names.iter().find_map(|name| match name.as_str() {
            "_redmine_session" => Some(App::Redmine),
            "DokuWiki" => Some(App::Dokuwiki),
            "jupyterhub-hub-login" => Some(App::Jupyterhub),
            name if name.ends_with("UserID") => Some(App::Mediawiki),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_its_name_and_its_parts() {
        for app in App::value_variants() {
            let (name, page) = (app.to_possible_value().unwrap(), app.page());
            assert_eq!(page.path, format!("docs/applications/{}.md", name.get_name()));
            assert!(page.settings().contains_key("identify.session_cookies"), "{}", page.path);
            assert!(page.settings().contains_key("identify.login_url"), "{}", page.path);
            assert!(page.verified().starts_with("The tests of this repository run "), "{}", page.path);
            assert!(page.text.contains("\n## Good to know\n"), "{}", page.path);
            let list = &page.settings()["identify.session_cookies"];
            let cookies: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            let is_named_alike = matches!(app, App::Wagtail | App::CalibreWeb);
            assert_eq!(App::of_cookies(&cookies), (!is_named_alike).then_some(*app), "{}", page.path);
            let steps = page.steps();
            for part in ["```sh\nqrgate check --user ", "```sh server\nqrgate\n```"] {
                assert!(steps.contains(part), "{} lacks {part}", page.path);
            }
        }
    }
}
