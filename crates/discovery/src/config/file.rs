//! Files of target groups.

use model::config_value::Duration;
use yaml::FilePath;

yaml::record! {
    /// Files of target groups.
    #[derive(Debug, Clone, PartialEq)]
    pub struct FileSdConfig: "file.SDConfig", checked "file.plain" {
        /// Paths; a `*` may stand in the last part.
        pub files: Vec<FilePath> => keep "files";
        /// Time between polls.
        pub refresh_interval: Duration = Duration::from_secs(300) => omit "refresh_interval";
    }
}

impl FileSdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.files.is_empty() {
            return Err("file service discovery config must contain at least one path name".into());
        }
        match self.files.iter().find(|path| !is_pattern(path)) {
            Some(path) => Err(format!(
                "path name {:?} is not valid for file discovery",
                &**path
            )),
            None => Ok(()),
        }
    }
}

/// Whether `path` ends as a list of targets does and has its wildcard in the last part only.
fn is_pattern(path: &str) -> bool {
    let Some((stem, extension)) = path.rsplit_once('.') else {
        return false;
    };
    let known = ["json", "yml", "yaml", "JSON", "YML", "YAML"].contains(&extension);
    let wildcard_is_last = match stem.split_once('*') {
        Some((_, after)) => !after.contains('/'),
        None => true,
    };
    known && wildcard_is_last && !path.contains('\n')
}
