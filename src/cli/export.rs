//! `qrgate export`: writes the built-in templates or texts to a folder, where an operator changes them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, ValueEnum};

use super::exit::Outcome;
use super::file::create;
use super::terminal;
use crate::locales::BUILT_IN;
use crate::pages;

/// The arguments of `qrgate export`.
#[derive(Args)]
pub struct Export {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// The folder, which pages.templates then names
    #[arg(value_name = "DIR", default_value = "templates")]
    folder: PathBuf,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The pages and the style sheets
    Templates,
    /// The texts, one file for each language: locales/TAG.toml
    Texts,
}

/// Writes the missing files, with `--force` all, and prints the setting that uses them.
pub fn export(arguments: &Export) -> Outcome {
    let lines = write_files(arguments).map_err(terminal::fail)?;
    terminal::say(&lines.join("\n"));
    terminal::say(&advice(&arguments.folder));
    Ok(())
}

/// Returns a line about each file.
fn write_files(arguments: &Export) -> io::Result<Vec<String>> {
    let files: Vec<(PathBuf, &str)> = match arguments.what {
        What::Templates => pages::replaceable().map(|(name, text)| (PathBuf::from(name), text)).collect(),
        What::Texts => BUILT_IN.map(|(tag, text)| (Path::new("locales").join(format!("{tag}.toml")), text)).into(),
    };
    let mut lines = Vec::new();
    for (name, text) in files {
        let path = arguments.folder.join(&name);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(named)?;
        let is_written = match arguments.force {
            true => fs::write(&path, text).map_err(named).map(|()| true)?,
            false => create(&path, text, 0o644)?,
        };
        lines.push(match is_written {
            true => format!("wrote  {}", name.display()),
            false => format!("kept   {:<20} (exists; --force overwrites it)", name.display()),
        });
    }
    Ok(lines)
}

/// What to do with the files.
fn advice(folder: &Path) -> String {
    let folder = toml::Value::from(folder.to_string_lossy().into_owned());
    format!(
        "\nIn proxy.toml, relative to its own folder:\n\n[pages]\ntemplates = {folder}\n\nThen check the files: qrgate \
         check --offline\nDelete those that you do not change: a file that is missing stays built-in, and later \
         versions improve it.\ndocs/pages.md says what each file is for."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(folder: &Path, what: What, force: bool) -> io::Result<Vec<String>> {
        write_files(&Export { what, folder: folder.to_owned(), force })
    }

    #[test]
    fn a_file_is_overwritten_by_force_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("start.html");
        fs::write(&mine, "mine").unwrap();
        let lines = export(folder.path(), What::Templates, false).unwrap();
        assert!(lines.contains(&"kept   start.html           (exists; --force overwrites it)".to_owned()), "{lines:?}");
        assert!(lines.contains(&"wrote  style.css".to_owned()), "{lines:?}");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
        assert!(export(folder.path(), What::Templates, true).unwrap().contains(&"wrote  start.html".to_owned()));
        assert_ne!(fs::read_to_string(&mine).unwrap(), "mine");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = export(&file, What::Texts, false).unwrap_err().to_string();
        assert!(error.starts_with(&file.join("locales").display().to_string()), "{error}");
    }

    #[test]
    fn the_page_about_templates_lists_each_file() {
        let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pages.md")).unwrap();
        for (name, _) in pages::replaceable() {
            assert!(page.contains(&format!("\n| `{name}` | ")), "docs/pages.md lacks {name}");
        }
    }
}
