//! The frameworks with a recipe, recognised by the names of their cookies.

use clap::ValueEnum;

use super::page::Page;

/// The framework of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stack {
    Django,
    Flask,
    Express,
    Rails,
    Laravel,
    Php,
    Wordpress,
    Spring,
    Aspnet,
}

impl Stack {
    /// Its recipe.
    pub fn page(self) -> Page {
        let (path, text) = match self {
            Stack::Django => ("docs/recipes/django.md", include_str!("../../docs/recipes/django.md")),
            Stack::Flask => ("docs/recipes/flask.md", include_str!("../../docs/recipes/flask.md")),
            Stack::Express => ("docs/recipes/express.md", include_str!("../../docs/recipes/express.md")),
            Stack::Rails => ("docs/recipes/rails.md", include_str!("../../docs/recipes/rails.md")),
            Stack::Laravel => ("docs/recipes/laravel.md", include_str!("../../docs/recipes/laravel.md")),
            Stack::Php => ("docs/recipes/php.md", include_str!("../../docs/recipes/php.md")),
            Stack::Wordpress => ("docs/recipes/wordpress.md", include_str!("../../docs/recipes/wordpress.md")),
            Stack::Spring => ("docs/recipes/spring.md", include_str!("../../docs/recipes/spring.md")),
            Stack::Aspnet => ("docs/recipes/aspnet.md", include_str!("../../docs/recipes/aspnet.md")),
        };
        Page { path, text }
    }

    /// The framework whose session cookie has one of these names by default.
    pub fn of_cookies(names: &[String]) -> Option<Stack> {
        names.iter().find_map(|name| match name.as_str() {
            "sessionid" => Some(Stack::Django),
            "session" => Some(Stack::Flask),
            "connect.sid" => Some(Stack::Express),
            "PHPSESSID" => Some(Stack::Php),
            "JSESSIONID" | "SESSION" => Some(Stack::Spring),
            "laravel_session" => Some(Stack::Laravel),
            "session_id" => Some(Stack::Rails),
            name if name.starts_with("wordpress_") => Some(Stack::Wordpress),
            name if name.starts_with(".AspNetCore.") => Some(Stack::Aspnet),
            name if name.ends_with("-session") => Some(Stack::Laravel),
            name if name.starts_with('_') && name.ends_with("_session") => Some(Stack::Rails),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_recognised_by_the_cookies_of_its_recipe() {
        for stack in Stack::value_variants() {
            let page = stack.page();
            let list = &page.settings()["identify.session_cookies"];
            let cookies: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(Stack::of_cookies(&cookies), Some(*stack), "{}: {cookies:?}", page.path);
        }
    }

    #[test]
    fn every_recipe_has_its_parts() {
        for stack in Stack::value_variants() {
            let page = stack.page();
            let steps: &[&str] = match page.text.contains("## The package") {
                true => &["## Without the package"],
                false => &["## The hooks", "## Settings", "action=\"/qr/\""],
            };
            for part in [steps, &["## proxy.toml", "## Good to know"]].concat() {
                assert!(page.text.contains(part), "{} lacks {part}", page.path);
            }
            let verified = page.verified();
            let is_tested = verified.starts_with("The tests of this repository run ");
            assert!(is_tested || verified.starts_with("**Not run"), "{}: {verified}", page.path);
        }
    }
}
