//! The frameworks with a recipe, and how an application is recognised.

use clap::ValueEnum;

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
    /// The name NAME of docs/recipes/NAME.md, and its text.
    pub fn recipe(self) -> (&'static str, &'static str) {
        match self {
            Stack::Django => ("django", include_str!("../../docs/recipes/django.md")),
            Stack::Flask => ("flask", include_str!("../../docs/recipes/flask.md")),
            Stack::Express => ("express", include_str!("../../docs/recipes/express.md")),
            Stack::Rails => ("rails", include_str!("../../docs/recipes/rails.md")),
            Stack::Laravel => ("laravel", include_str!("../../docs/recipes/laravel.md")),
            Stack::Php => ("php", include_str!("../../docs/recipes/php.md")),
            Stack::Wordpress => ("wordpress", include_str!("../../docs/recipes/wordpress.md")),
            Stack::Spring => ("spring", include_str!("../../docs/recipes/spring.md")),
            Stack::Aspnet => ("aspnet", include_str!("../../docs/recipes/aspnet.md")),
        }
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
            let (name, recipe) = stack.recipe();
            let line = recipe.lines().find_map(|line| line.strip_prefix("session_cookies = ")).unwrap();
            let cookies: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
            assert_eq!(Stack::of_cookies(&cookies), Some(*stack), "{name}: {cookies:?}");
        }
    }
}
