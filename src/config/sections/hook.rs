//! The keys `path` and `url` of `[identify]` and `[login]`, and `revoke_path` and `revoke_url`.

use http::uri::PathAndQuery;

use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::endpoint::ApplicationUrl;

/// Where a hook is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// A path of the application.
    Path(PathAndQuery),
    /// Another server. No path is hidden from clients then.
    Url(ApplicationUrl, PathAndQuery),
}

impl HookTarget {
    /// The path, without a query.
    pub fn path(&self) -> &str {
        match self {
            HookTarget::Path(path) | HookTarget::Url(_, path) => path.path(),
        }
    }

    /// Reads `path`, and `url`, which replaces it.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>, default: &'static str) -> HookTarget {
        let path = section.text("path", default);
        let target = HookTarget::given(section, Some(path), ["path", "url"]);
        target.unwrap_or_else(|| HookTarget::Path(PathAndQuery::from_static(default)))
    }

    /// Reads `revoke_path`, and `revoke_url`, which replaces it. `None` if both are empty.
    pub(in crate::config) fn read_revoke(section: &mut Section<'_, '_>) -> Option<HookTarget> {
        let path = section.optional("revoke_path").filter(|path| !path.is_empty());
        HookTarget::given(section, path, ["revoke_path", "revoke_url"])
    }

    fn given(section: &mut Section<'_, '_>, path: Option<String>, keys: [&str; 2]) -> Option<HookTarget> {
        match section.optional(keys[1]) {
            Some(url) => {
                let target = section.parse(keys[1], &url, addresses::hook_url);
                target.map(|(url, path)| HookTarget::Url(url, path))
            }
            None => section.parse(keys[0], &path?, hook_path).map(HookTarget::Path),
        }
    }
}

fn hook_path(text: &str) -> Result<PathAndQuery, Complaint> {
    let path = addresses::hook_path(text)?;
    match path.path().trim_matches('/').is_empty() {
        true => Err("a hook needs its own path, not the application's front page".into()),
        false => Ok(path),
    }
}
