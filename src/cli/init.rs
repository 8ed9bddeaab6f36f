//! `qrgate init`: writes a commented proxy.toml and the secrets, and prints what the application needs.
//!
//! Existing files are kept. Settings and steps come from docs/recipes or docs/applications.

use std::fs;
use std::io;
use std::path::Path;

use clap::Args;

use super::app::App;
use super::exit::Outcome;
use super::file::{ConfigFile, create};
use super::page::Page;
use super::stack::Stack;
use super::terminal;
use crate::config;
use crate::secret::Secret;

/// The commented example, with every key.
pub const TEMPLATE: &str = include_str!("../../proxy.toml");

/// The rules for an application in any language.
const RULES: Page = Page { path: "docs/recipes/README.md", text: include_str!("../../docs/recipes/README.md") };

/// The arguments of `qrgate init`.
#[derive(Args)]
pub struct Init {
    /// Where the application is: http://127.0.0.1:8000, https://…, h2c://… or unix:/path
    #[arg(long, value_name = "URL")]
    application: String,
    /// Its framework, if it is your own; without this and --app, the hook contract is printed
    #[arg(long, value_enum, conflicts_with = "app")]
    stack: Option<Stack>,
    /// Its name, if it is one that has a drop-in
    #[arg(long, value_enum, value_name = "NAME")]
    app: Option<App>,
    /// The site's name, as the pages show it
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// The address in the browser, once people use it: https://HOST
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

impl Init {
    /// The page of the application or of its framework.
    fn page(&self) -> Option<Page> {
        self.app.map(App::page).or_else(|| self.stack.map(Stack::page))
    }
}

/// Writes the files that are missing and prints the steps.
pub fn init(arguments: &Init) -> Outcome {
    let mut problems = Vec::new();
    if let Err(why) = config::application_url(&arguments.application, Path::new("")) {
        problems.push(format!("--application {}: {why}", arguments.application));
    }
    if let Some(url) = &arguments.public_url
        && let Err(why) = config::public_url(url)
    {
        problems.push(format!("--public-url {url}: {why}"));
    }
    if !problems.is_empty() {
        return Err(terminal::reject(problems.join("\n")));
    }
    let lines = write_files(arguments).map_err(terminal::fail)?;
    terminal::say(&lines.join("\n"));
    terminal::say(&advice(arguments));
    Ok(())
}

/// Writes the files, and returns a line about each.
fn write_files(arguments: &Init) -> io::Result<Vec<String>> {
    let file = &arguments.file.config;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let text = configuration(arguments);
    let mut lines = vec![(file.clone(), create(file, &text, 0o644)?, "")];
    for name in ["hook.secret", "ticket.secret"] {
        let secret = Secret::random().map_err(io::Error::other)?;
        let path = folder.join(name);
        let written = create(&path, &format!("{}\n", *secret.to_whsec()), 0o600)?;
        lines.push((path, written, "(only you can read it)"));
    }
    let report = lines.into_iter().map(|(path, written, note)| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let (verb, note) = if written { ("wrote", note) } else { ("kept", "(exists)") };
        format!("{verb:<6} {name:<15} {note}").trim_end().to_owned()
    });
    Ok(report.chain(keep_out_of_git(folder)?).collect())
}

/// In a git work tree, `git add -A` must not take the secrets: writes a `.gitignore`, or says what is missing in it.
fn keep_out_of_git(folder: &Path) -> io::Result<Option<String>> {
    let folder = folder.canonicalize()?;
    if !folder.ancestors().any(|above| above.join(".git").exists()) {
        return Ok(None);
    }
    let path = folder.join(".gitignore");
    if create(&path, "/hook.secret\n/ticket.secret\n/events.secret\n", 0o644)? {
        return Ok(Some("wrote  .gitignore      (the secrets stay out of git)".to_owned()));
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let is_covered = text.contains("*.secret") || text.contains("hook.secret") && text.contains("ticket.secret");
    Ok((!is_covered).then(|| "kept   .gitignore      add hook.secret and ticket.secret to it".to_owned()))
}

/// The commented example with the settings of this application. Keys with a default stay commented out.
fn configuration(arguments: &Init) -> String {
    let mut set = arguments.page().map(Page::settings).unwrap_or_default();
    for (key, value) in [
        ("application.url", Some(arguments.application.as_str())),
        ("login.secret_file", Some("hook.secret")),
        ("tickets.secret_file", Some("ticket.secret")),
        ("pages.site", arguments.site.as_deref()),
        ("public.url", arguments.public_url.as_deref()),
    ] {
        set.extend(value.map(|value| (key.to_owned(), toml::Value::from(value).to_string())));
    }
    let mut text = String::from(
        "# qrgate's configuration. Keys that are commented out show their default, or an example.\n\
         # Check it with: qrgate check\n",
    );
    let mut section = String::new();
    for line in TEMPLATE.lines().skip_while(|line| !line.is_empty()) {
        let (bare, is_key) = match line.strip_prefix('#') {
            Some(bare) => (bare, !bare.starts_with(' ')),
            None => (line, true),
        };
        if let Some(name) = bare.strip_prefix('[').filter(|_| is_key) {
            section = name.trim_end_matches(']').to_owned();
            text.push_str(line);
        } else if let Some((key, value)) = bare.split_once(" = ").filter(|_| is_key) {
            let value = value.rsplit_once(" # ").map_or(value, |(value, _)| value);
            match set.get(&format!("{section}.{key}")) {
                Some(value) => text.push_str(&format!("{key} = {value}")),
                None => text.push_str(&format!("#{key} = {value}")),
            }
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// The steps for the application or its stack, or the rules for any language, and what comes after them.
fn advice(arguments: &Init) -> String {
    let page = arguments.page().unwrap_or(RULES);
    let (steps, path) = (page.steps(), page.path);
    let verified = arguments.page().map_or(String::new(), |page| format!("{}\n\n", page.verified()));
    let (task, secret) = match arguments.app {
        Some(_) => (
            format!("Do this in {}:", page.title()),
            "Where a step asks for the secret, copy the text of hook.secret; no one else needs to see it.",
        ),
        None => (
            "Add this to your application:".to_owned(),
            "The application reads the text of hook.secret as QRGATE_HOOK_SECRET.",
        ),
    };
    let site = match arguments.site {
        Some(_) => "",
        None => "The pages call the site \"Example\" until [pages] site in proxy.toml has its name.\n",
    };
    let public = arguments.public_url.as_deref().map_or(String::new(), public_address);
    format!(
        "\n{task}\n\n{verified}{steps}\n\n{secret} {path} says more.\n{site}{public}Then, with the id of an ordinary \
         account (most pages give administrators no code): qrgate check --user ID"
    )
}

/// What a public address needs besides its line in proxy.toml.
fn public_address(url: &str) -> String {
    let tls = match url.starts_with("https://") {
        true => {
            "Something has to terminate TLS for it: either a proxy in front, whose address then belongs in [public] \
             trusted_proxies (docs/behind-a-proxy.md), or qrgate, with [listen.acme] or [listen.tls] \
             (docs/operations.md).\n"
        }
        false => "",
    };
    format!("Codes lead to {url}, so phones must reach it.\n{tls}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    /// What `--stack` and `--app` can say.
    fn choices() -> impl Iterator<Item = (Option<Stack>, Option<App>)> {
        let stacks = Stack::value_variants().iter().map(|stack| (Some(*stack), None));
        stacks.chain(App::value_variants().iter().map(|app| (None, Some(*app)))).chain([(None, None)])
    }

    fn written_by(stack: Option<Stack>, app: Option<App>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = ConfigFile { config: folder.path().join("proxy.toml") };
        let site = Some("Anna's \"shop\"".into());
        write_files(&Init { site, file, app, ..arguments(stack) }).unwrap();
        folder
    }

    fn arguments(stack: Option<Stack>) -> Init {
        let file = ConfigFile { config: "proxy.toml".into() };
        Init { application: "http://127.0.0.1:3000".into(), stack, app: None, site: None, public_url: None, file }
    }

    #[test]
    fn what_is_written_is_a_configuration_for_that_stack_or_application() {
        for (stack, app) in choices() {
            let folder = written_by(stack, app);
            let config = config::load(&folder.path().join("proxy.toml"), &config::Environment::default()).unwrap();
            assert_eq!(config.application.url.to_string(), "http://127.0.0.1:3000");
            assert_eq!((config.login.secrets.len(), config.tickets.secrets.len()), (1, 1));
            assert_ne!(config.login.secrets, config.tickets.secrets);
            assert!(
                !config.warnings.iter().any(|warning| warning.sentence.contains("can be read")),
                "{:?}",
                config.warnings
            );
            assert_eq!(config.pages.site, "Anna's \"shop\"");
            let is_known = stack.is_some() || app.is_some();
            assert_eq!(config.identify.login_url.is_some(), is_known, "{stack:?} {app:?}");
        }
        let express = written_by(Some(Stack::Express), None);
        let config = config::load(&express.path().join("proxy.toml"), &config::Environment::default()).unwrap();
        assert_eq!(config.identify.session_cookies, ["connect.sid"]);
    }

    #[test]
    fn nothing_is_ever_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hook.secret"), "mine").unwrap();
        let file = ConfigFile { config: folder.path().join("proxy.toml") };
        let init = Init { file, ..arguments(None) };
        assert_eq!(write_files(&init).unwrap()[1], "kept   hook.secret     (exists)");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("hook.secret"), "mine");
        let before = (read("proxy.toml"), read("ticket.secret"));
        write_files(&init).unwrap();
        assert_eq!(before, (read("proxy.toml"), read("ticket.secret")));
    }

    #[test]
    fn a_public_url_is_written_and_what_it_needs_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let init = |url: &str| Init {
            public_url: Some(url.into()),
            file: ConfigFile { config: folder.path().join("proxy.toml") },
            ..arguments(Some(Stack::Django))
        };
        write_files(&init("https://app.example.com/sub")).unwrap();
        let config = config::load(&folder.path().join("proxy.toml"), &config::Environment::default()).unwrap();
        let url = config.public.origins.url.unwrap();
        assert_eq!((url.origin.to_string().as_str(), url.sub_path.as_str()), ("https://app.example.com", "/sub"));
        let shown = advice(&init("https://app.example.com"));
        for words in ["Codes lead to https://app.example.com, ", "trusted_proxies", "[listen.acme] or [listen.tls]"] {
            assert!(shown.contains(words), "{words} in {shown}");
        }
        let shown = advice(&init("http://intranet.example"));
        assert!(shown.contains("Codes lead to http://intranet.example, ") && !shown.contains("[listen.tls]"));
        assert_eq!(self::init(&init("app.example.com")), Err(crate::cli::exit::BROKEN));
    }

    #[test]
    fn secrets_stay_out_of_git() {
        let folder = tempfile::tempdir().unwrap();
        let told = || keep_out_of_git(folder.path()).unwrap().unwrap_or_default();
        assert_eq!(told(), "", "no work tree");
        fs::create_dir(folder.path().join(".git")).unwrap();
        assert!(told().starts_with("wrote  .gitignore"));
        assert_eq!(told(), "");
        fs::write(folder.path().join(".gitignore"), "target/\n").unwrap();
        assert!(told().ends_with("add hook.secret and ticket.secret to it"));
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = written_by(None, None);
        for name in ["hook.secret", "ticket.secret"] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn the_steps_come_after_their_heading_and_before_what_is_next() {
        for (stack, app) in choices() {
            let shown = advice(&Init { app, ..arguments(stack) });
            let task = app.map_or("Add this to your application:".to_owned(), |app| {
                format!("Do this in {}:", app.page().title())
            });
            assert!(shown.starts_with(&format!("\n{task}\n\n")), "{shown}");
            assert!(shown.ends_with("qrgate check --user ID") && shown.contains("\"Example\""), "{shown}");
            assert!(!shown.contains("## Good to know"), "{shown}");
            let (_, after) = shown.rsplit_once("```\n").unwrap_or(("", &shown));
            assert_eq!(after.contains("reads the text of hook.secret as QRGATE_HOOK_SECRET"), app.is_none(), "{shown}");
            assert_eq!(after.contains("asks for the secret, copy the text of hook.secret"), app.is_some(), "{shown}");
        }
    }

    #[test]
    fn a_value_cannot_break_out_of_its_quotes() {
        let (application, site) = ("unix:/run/a\"\nx = \"b".into(), Some("c\"\ny = 1".into()));
        let text = configuration(&Init { application, site, ..arguments(None) });
        assert!(text.parse::<toml::Table>().is_ok());
    }
}
