//! In configuration files and JSON these types are the text that `FromStr` reads and `Display` writes.

macro_rules! text_serde {
    ($($type:ty),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_serde!(crate::Xname, crate::MacAddr, crate::Ipv4Net);

#[cfg(test)]
mod tests {
    use crate::{Ipv4Net, MacAddr, Xname};

    #[test]
    fn values_are_written_normalised_and_read_as_any_accepted_form() {
        let values: (Xname, MacAddr, Ipv4Net) =
            serde_json::from_str(r#"["X01c0s00b0n0", "02-00-00-00-00-A1", "10.97.0.0/16"]"#).unwrap();
        let text = serde_json::to_string(&values).unwrap();
        assert_eq!(text, r#"["x1c0s0b0n0","02:00:00:00:00:a1","10.97.0.0/16"]"#);
    }

    #[test]
    fn a_wrong_text_says_what_is_accepted() {
        let error = serde_json::from_str::<Ipv4Net>(r#""10.97.0.1/16""#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("10.97.0.0/16"), "{error}");
    }
}
