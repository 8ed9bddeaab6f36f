//! The built-in templates, and an operator's files that replace them by name.
//!
//! A replacement is checked before use: it must parse, render every page that uses it, and include the required parts.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use super::catalogue::{self, BadTexts, Catalogue};
use crate::excerpt::Excerpt;
use crate::locales::BUILT_IN;

/// The templates that an operator may replace.
const PAGES: [(&str, &str); 10] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("start.html", include_str!("../../templates/start.html")),
    ("page.html", include_str!("../../templates/page.html")),
    ("approve.html", include_str!("../../templates/approve.html")),
    ("code.html", include_str!("../../templates/code.html")),
    ("confirm.html", include_str!("../../templates/confirm.html")),
    ("waiting.html", include_str!("../../templates/waiting.html")),
    ("invalid_code.html", include_str!("../../templates/invalid_code.html")),
    ("leave.html", include_str!("../../templates/leave.html")),
    ("error.html", include_str!("../../templates/error.html")),
];

/// Markup that templates include: forms and scripts that must match the program.
const PARTS: [(&str, &str); 14] = [
    ("parts/drawing.svg", include_str!("../../templates/parts/drawing.svg")),
    ("parts/tick.svg", include_str!("../../templates/parts/tick.svg")),
    ("parts/start_form.html", include_str!("../../templates/parts/start_form.html")),
    ("parts/letters.html", include_str!("../../templates/parts/letters.html")),
    ("parts/qr.html", include_str!("../../templates/parts/qr.html")),
    ("parts/stay.html", include_str!("../../templates/parts/stay.html")),
    ("parts/code_form.html", include_str!("../../templates/parts/code_form.html")),
    ("parts/code_states.html", include_str!("../../templates/parts/code_states.html")),
    ("parts/code_script.html", include_str!("../../templates/parts/code_script.html")),
    ("parts/approve_form.html", include_str!("../../templates/parts/approve_form.html")),
    ("parts/type_form.html", include_str!("../../templates/parts/type_form.html")),
    ("parts/confirm_form.html", include_str!("../../templates/parts/confirm_form.html")),
    ("parts/waiting_form.html", include_str!("../../templates/parts/waiting_form.html")),
    ("parts/waiting_script.html", include_str!("../../templates/parts/waiting_script.html")),
];

pub(super) const STYLE: &str = include_str!("../../templates/style.css");

/// The style sheets: for every page; what follows on the sandboxed pages; on all others; on pages with a logo or links
/// at the foot.
const STYLES: [(&str, &str); 4] = [
    ("style.css", STYLE),
    ("page.css", include_str!("../../templates/page.css")),
    ("other.css", include_str!("../../templates/other.css")),
    ("brand.css", include_str!("../../templates/brand.css")),
];

/// The files that an operator may replace: name and text.
pub fn replaceable() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.into_iter().chain(STYLES)
}

/// Maximum steps of a rendering. An endless loop fails.
const FUEL: u64 = 200_000;

/// An error in an operator's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub file: PathBuf,
    /// Line and column, counted from 1, if the error has a place.
    pub place: Option<(usize, usize)>,
    pub message: String,
    pub excerpt: Option<Excerpt>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{}", excerpt.draw(true, None, false))?;
        }
        Ok(())
    }
}

impl std::error::Error for TemplateError {}

/// All errors in an operator's folder. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateErrors(pub(super) Vec<TemplateError>);

impl TemplateErrors {
    /// `value`, unless there are errors.
    pub(super) fn unless_any<T>(found: Vec<TemplateError>, value: T) -> Result<T, TemplateErrors> {
        if found.is_empty() { Ok(value) } else { Err(TemplateErrors(found)) }
    }

    /// The report, ending with the number of errors and `ending`, like that of the configuration's errors.
    pub fn report(&self, ending: &str) -> String {
        let errors = if self.0.len() == 1 { "error" } else { "errors" };
        format!("{self}\n\n{} {errors}, {ending}", self.0.len())
    }
}

impl fmt::Display for TemplateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(TemplateError::to_string).collect();
        f.write_str(&texts.join("\n\n"))
    }
}

impl std::error::Error for TemplateErrors {}

impl From<TemplateError> for TemplateErrors {
    fn from(error: TemplateError) -> TemplateErrors {
        TemplateErrors(vec![error])
    }
}

impl TemplateError {
    fn whole(file: PathBuf, message: impl Into<String>) -> TemplateError {
        TemplateError { file, place: None, message: message.into(), excerpt: None }
    }

    fn at(file: PathBuf, source: &str, bytes: std::ops::Range<usize>, message: impl Into<String>) -> TemplateError {
        let excerpt = Excerpt::of(source, bytes);
        let place = Some((excerpt.number, excerpt.column));
        TemplateError { file, place, message: message.into(), excerpt: Some(excerpt) }
    }

    /// An error in a template, or in rendering it.
    pub(super) fn of_template(folder: &Path, error: &Error) -> TemplateError {
        let file = folder.join(error.name().unwrap_or("."));
        let mut message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        match (error.template_source(), error.range(), error.line()) {
            (Some(source), Some(bytes), _) => TemplateError::at(file, source, bytes, message),
            (Some(source), None, Some(line)) => {
                let start = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
                TemplateError::at(file, source, start..start, message)
            }
            (_, _, line) => TemplateError { file, place: line.map(|line| (line, 1)), message, excerpt: None },
        }
    }

    fn of_texts(file: PathBuf, source: &str, bad: BadTexts) -> TemplateError {
        match bad.offset {
            Some(start) => {
                let width = source[start..].bytes().take_while(|b| !b.is_ascii_whitespace()).count();
                TemplateError::at(file, source, start..start + width, bad.message)
            }
            None => TemplateError::whole(file, bad.message),
        }
    }

    /// A page without a required part. The error points to the start of the page's content in the operator's file for
    /// it, or else in the layout.
    pub(super) fn missing(folder: &Path, pages: &Environment<'_>, template: &str, name: &str) -> TemplateError {
        let file = if folder.join(template).is_file() { template } else { "base.html" };
        let source = pages.get_template(file).map(|file| file.source().to_owned()).unwrap_or_default();
        let whose = if file == template { String::new() } else { format!("{template}: ") };
        let message = format!("{whose}must use `{{{{ {name} }}}}`: without it the page does not work");
        let start = source.find("{% block content").unwrap_or(0);
        let width = source[start..].lines().next().map_or(0, str::len);
        TemplateError::at(folder.join(file), &source, start..start + width, message)
    }
}

/// Templates, style sheet and languages.
pub(super) struct Files {
    /// The operator's templates over the built-in ones.
    pub(super) pages: Environment<'static>,
    /// The built-in templates and parts, as a fallback for an operator's template that fails at run time.
    pub(super) built_in: Environment<'static>,
    /// The style sheets of [`STYLES`] by name, and the operator's own rules as `extra.css`.
    styles: HashMap<&'static str, String>,
    /// The languages, English first.
    pub(super) languages: Vec<Catalogue>,
}

impl Files {
    /// Reads the built-in files and the operator's folder.
    pub(super) fn read(folder: Option<&Path>) -> Result<Files, TemplateErrors> {
        let mut built_in = environment();
        for (name, source) in PAGES.iter().chain(&PARTS) {
            let source = source.lines().map(str::trim_start).collect::<Vec<_>>().join("\n");
            built_in
                .add_template_owned(*name, source)
                .map_err(|e| TemplateError::of_template(Path::new("templates"), &e))?;
        }
        let mut languages = Vec::new();
        for (tag, source) in BUILT_IN {
            let file = PathBuf::from(format!("locales/{tag}.toml"));
            let read =
                Catalogue::parse(tag, source, &languages).map_err(|bad| TemplateError::of_texts(file, source, bad))?;
            languages.push(read);
        }
        let styles = STYLES.map(|(name, sheet)| (name, compact_style(sheet))).into_iter();
        let styles = styles.chain([("extra.css", String::new())]).collect();
        let mut files = Files { pages: built_in.clone(), built_in, styles, languages };
        let Some(folder) = folder else { return Ok(files) };
        let mut found = Vec::new();
        for path in files_in(folder, false)? {
            found.extend(files.replace_page(folder, &path).err());
        }
        let (reference, texts) = (files.languages[0].clone(), folder.join("locales"));
        let texts = if texts.is_dir() { files_in(&texts, true)? } else { Vec::new() };
        for path in texts {
            found.extend(files.replace_texts(&reference, &path).err());
        }
        TemplateErrors::unless_any(found, files)
    }

    /// A style sheet, without variables.
    pub(super) fn style(&self, name: &str) -> &str {
        self.styles.get(name).map_or("", String::as_str)
    }

    fn replace_page(&mut self, folder: &Path, path: &Path) -> Result<(), TemplateError> {
        let Some(name) = path.strip_prefix(folder).ok().and_then(Path::to_str) else { return Ok(()) };
        let source = read(path)?;
        // For an unchanged export the compact built-in file is used.
        if replaceable().any(|built_in| built_in == (name, source.as_str())) {
            return Ok(());
        }
        if let Some(sheet) = self.styles.get_mut(name) {
            sheet.clone_from(&source);
        }
        self.pages.add_template_owned(name.to_owned(), source).map_err(|e| TemplateError::of_template(folder, &e))
    }

    fn replace_texts(&mut self, reference: &Catalogue, path: &Path) -> Result<(), TemplateError> {
        let Some(tag) = path.file_stem().and_then(|stem| stem.to_str()) else { return Ok(()) };
        let is_tag = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_tag {
            return Err(TemplateError::whole(path.to_owned(), "the name must be a language tag, as in `pt-BR.toml`"));
        }
        let source = read(path)?;
        let known = self.languages.iter().position(|language| language.tag().eq_ignore_ascii_case(tag));
        let at = known.unwrap_or_else(|| {
            self.languages.push(reference.as_language(tag));
            self.languages.len() - 1
        });
        self.languages[at]
            .replace(&source, reference)
            .map_err(|bad| TemplateError::of_texts(path.to_owned(), &source, bad))
    }
}

/// The templates of a folder and its subfolders except `locales`, or only its `.toml` files; sorted by name.
fn files_in(folder: &Path, texts: bool) -> Result<Vec<PathBuf>, TemplateError> {
    let fail = |e: std::io::Error| TemplateError::whole(folder.to_owned(), format!("cannot be read: {e}"));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned();
        let is_locales = path.file_name().is_some_and(|name| name == "locales");
        match path.is_dir() {
            true if !texts && !is_locales => found.extend(files_in(&path, false)?),
            false if texts && ending == "toml" => found.push(path),
            false if !texts && matches!(ending.as_str(), "html" | "css" | "js" | "svg" | "txt") => found.push(path),
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, TemplateError> {
    fs::read_to_string(path).map_err(|e| TemplateError::whole(path.to_owned(), format!("cannot be read: {e}")))
}

/// A built-in script or style sheet without indentation and comment lines.
fn compact(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.starts_with("//") && !line.starts_with("/*"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Like [`compact`], and without spaces next to punctuation and line breaks after it. A built-in script has no regular
/// expression with a space, no comment after code, and a semicolon after each statement.
pub(super) fn compact_script(source: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
    let mut out = String::with_capacity(source.len());
    let mut quote = None;
    let text = compact(source);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\n') if out.ends_with([';', ',', '{', '}', '(', ')']) => continue,
            (None, ' ') if !is_word(out.chars().last()) || !is_word(chars.peek().copied()) => continue,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(end), _) if c == end => quote = None,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Like [`compact`], and without insignificant spaces of the built-in style sheets.
fn compact_style(source: &str) -> String {
    let blanks = [
        (" { ", "{"),
        (" {\n", "{"),
        (" }", "}"),
        ("\n}", "}"),
        ("; ", ";"),
        (";\n", ";"),
        (": ", ":"),
        (", ", ","),
        (" > ", ">"),
        ("* + *", "*+*"),
        (" !important", "!important"),
        ("}\n", "}"),
        (";}", "}"),
    ];
    blanks.iter().fold(compact(source), |sheet, (from, to)| sheet.replace(from, to))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // The default also escapes `/`, which makes addresses and nonces unreadable.
    environment.set_formatter(|out, state, value| {
        let is_html = matches!(state.auto_escape(), AutoEscape::Html);
        if value.is_none() || value.is_undefined() {
            return Ok(());
        }
        if is_html && !value.is_safe() {
            return out.write_str(&catalogue::escape(&value.to_string())).map_err(Error::from);
        }
        minijinja::escape_formatter(out, state, value)
    });
    let strong_if = |strong: Option<bool>, text: String| {
        Value::from_safe_string(if strong.unwrap_or_default() { format!("<strong>{text}</strong>") } else { text })
    };
    environment.add_function("strong", |value: Value| catalogue::element("strong", &value));
    environment.add_function("mono", |value: Value| catalogue::element("code", &value));
    environment
        .add_function("address", move |value: &str, strong| strong_if(strong, catalogue::address(value).to_string()));
    environment.add_function("slot", move |name: &str, strong| {
        strong_if(strong, format!("<bdi data-slot=\"{}\"></bdi>", catalogue::escape(name)))
    });
    environment
}

/// The functions `t` and `plain` of templates, for one language.
pub(super) fn text_functions(language: &Arc<Catalogue>) -> [(&'static str, Value); 2] {
    let t = text_function(language, |catalogue, key, variables| catalogue.markup(key, variables));
    let plain = text_function(language, |catalogue, key, variables| catalogue.plain(key, variables).map(Value::from));
    [("t", t), ("plain", plain)]
}

/// Texts without variables are rendered once.
fn text_function(language: &Arc<Catalogue>, text_of: fn(&Catalogue, &str, &Kwargs) -> Result<Value, Error>) -> Value {
    let none = Kwargs::from_iter([("", Value::UNDEFINED); 0]);
    let fixed = language.fixed_keys().filter_map(|key| Some((key.to_owned(), text_of(language, key, &none).ok()?)));
    let fixed: HashMap<String, Value> = fixed.collect();
    let language = language.clone();
    Value::from_function(move |key: &str, variables: Kwargs| match fixed.get(key) {
        Some(text) => Ok(text.clone()),
        None => text_of(&language, key, &variables),
    })
}
