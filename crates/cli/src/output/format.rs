//! The forms that an answer can have.

/// Form of the answer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The same with more columns.
    Wide,
    /// One JSON document, with the key names of the HTTP API.
    Json,
    /// The same document as YAML.
    Yaml,
    /// One name a line, as other commands take it.
    Name,
    /// One JSON object a line, for programs that read as it comes.
    Jsonl,
}

impl Format {
    /// Whether it is for programs: a document, not sentences.
    pub fn is_document(self) -> bool {
        match self {
            Format::Json | Format::Yaml | Format::Jsonl => true,
            Format::Table | Format::Wide | Format::Name => false,
        }
    }
}
