//! The pages of docs/recipes and docs/applications, as `qrgate init` and `qrgate check` use them.

use std::collections::BTreeMap;

/// A page: a title, the tested versions, a block of settings for proxy.toml, and the steps for an operator.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Where it is in the repository.
    pub path: &'static str,
    /// Markdown.
    pub text: &'static str,
}

impl Page {
    /// The name of the application or framework.
    pub fn title(self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// The paragraph with the versions that the steps were tested with.
    pub fn verified(self) -> &'static str {
        self.text.split("\n\n").nth(1).unwrap_or_default()
    }

    /// The settings for proxy.toml: path → value.
    pub fn settings(self) -> BTreeMap<String, String> {
        let block = self.text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let sections: BTreeMap<String, toml::Table> = toml::from_str(block).unwrap_or_default();
        let keys = |(section, table): (String, toml::Table)| {
            table.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value.to_string()))
        };
        sections.into_iter().flat_map(keys).collect()
    }

    /// The steps for an operator: the sections after that of proxy.toml, up to alternatives and background.
    pub fn steps(self) -> &'static str {
        let rest = self.text.split_once("\n## proxy.toml\n").map_or(self.text, |(_, rest)| rest);
        let section = rest.split_once("\n## ").map_or(rest, |(_, section)| section);
        let steps = section.split_once('\n').map_or(section, |(_, steps)| steps);
        let until = |text: &'static str, heading| text.split(heading).next().unwrap_or(text);
        ["\n## Without the package", "\n## Good to know"].into_iter().fold(steps, until).trim()
    }
}
