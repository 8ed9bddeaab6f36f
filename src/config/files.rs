//! Files named in proxy.toml. They are read at start and at reload.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::BASE64;

use super::complaint::{Complaint, accept};
use crate::tls::{self, TlsFileCause, TlsFileError};

/// Largest logo: it is inlined into every page.
const MAX_LOGO_BYTES: usize = 128 * 1024;

/// Reads a text file of at most 1 MiB. `shown` is its name in messages.
pub fn text(path: &Path, shown: &str) -> Result<String, Complaint> {
    String::from_utf8(bytes(path, shown)?).map_err(|error| match error.as_bytes() {
        // `>` in Windows PowerShell writes UTF-16.
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Complaint::with_help(format!("{shown} is UTF-16 text"), "save it as UTF-8 without a BOM")
        }
        _ => format!("{shown} is not a text file").into(),
    })
}

fn bytes(path: &Path, shown: &str) -> Result<Vec<u8>, Complaint> {
    tls::read(path).map_err(|error| tls_complaint(shown, Path::new(""), error))
}

/// Whether the mode gives any access to group or others.
pub fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0)
}

/// A complaint about a TLS file that the configuration calls `shown`. Other files are shown relative to `base`.
pub fn tls_complaint(shown: &str, base: &Path, error: TlsFileError) -> Complaint {
    match error.cause {
        TlsFileCause::Unreadable(error) => match error.kind() {
            io::ErrorKind::NotFound => format!("{shown} does not exist").into(),
            io::ErrorKind::PermissionDenied => format!("{shown} may not be read by this user").into(),
            io::ErrorKind::FileTooLarge => format!("{shown} is {error}").into(),
            _ => format!("{shown} cannot be read: {error}").into(),
        },
        TlsFileCause::Unusable(why) => {
            Complaint { message: format!("{shown} {}", why.message), help: why.help.map(str::to_owned) }
        }
        TlsFileCause::NotItsKey(certificate) => {
            let certificate = certificate.strip_prefix(base).unwrap_or(&certificate);
            format!("{shown} is not the key of {}", certificate.display()).into()
        }
        cause => format!("{shown}: {cause}").into(),
    }
}

/// A picture as a `data:` URL: `text` is one, or names a file to inline.
pub fn logo(text: &str, base: &Path) -> Result<String, Complaint> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.starts_with("data:") {
        let is_valid =
            text.starts_with("data:image/") && text.contains(',') && !text.contains(['"', '<', '>', ' ', '\\']);
        return accept(text, is_valid, "a data: URL of a picture is needed: data:image/…");
    }
    if text.contains("://") {
        return Err(Complaint::with_help("pages load nothing from elsewhere", "a file, or a data: URL"));
    }
    let media_type = match text.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("gif") => "image/gif",
        _ => return Err(Complaint::with_help("the kind of picture is not known", ".svg, .png, .jpg, .webp or .gif")),
    };
    let bytes = bytes(&base.join(text), text)?;
    if bytes.len() > MAX_LOGO_BYTES {
        return Err(format!("{text} holds {} KiB, at most 128 go into every page", bytes.len().div_ceil(1024)).into());
    }
    Ok(format!("data:{media_type};base64,{}", BASE64.encode(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_inlined() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.svg"), "<svg/>").unwrap();
        assert_eq!(logo("a.svg", folder.path()), Ok("data:image/svg+xml;base64,PHN2Zy8+".into()));
        assert_eq!(logo("", folder.path()), Ok(String::new()));
        assert_eq!(logo("data:image/png;base64,AA==", folder.path()), Ok("data:image/png;base64,AA==".into()));
        for bad in ["b.svg", "a.txt", "https://elsewhere.example/a.svg", "data:text/html,x", "data:image/png\",x"] {
            assert!(logo(bad, folder.path()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_and_a_file_over_1_mib_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        fs::write(&large, vec![b'a'; 1024 * 1024]).unwrap();
        assert_eq!(text(&large, "large").map(|text| text.len()), Ok(1024 * 1024));
        fs::write(&large, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        for path in [folder.path(), &large] {
            assert_eq!(text(path, "x"), Err("x is not a file of at most 1 MiB".to_owned().into()));
        }
    }
}
