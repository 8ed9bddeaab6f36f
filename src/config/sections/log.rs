//! `[log]`

use crate::config::reader::Section;

#[derive(Clone, Copy, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// Whether requests are logged.
    pub access: bool,
    /// The lowest level that is logged.
    pub level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    /// JSON, one object a line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Log {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Log {
        let levels = [
            ("info", Level::Info),
            ("trace", Level::Trace),
            ("debug", Level::Debug),
            ("warn", Level::Warn),
            ("error", Level::Error),
        ];
        let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
        Log {
            format: section.choice("format", formats),
            access: section.flag("access", true),
            level: section.choice("level", levels),
        }
    }
}
