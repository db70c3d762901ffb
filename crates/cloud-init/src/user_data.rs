//! NoCloud's `user-data`: always an empty cloud-config, as the service that Cloud-Init replaces answers. What nodes
//! are given comes by vendor-data.

/// The document. Cloud-init refuses to start without one.
#[must_use]
pub fn render() -> &'static str {
    "#cloud-config\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line decides how cloud-init reads the rest.
    #[test]
    fn it_is_a_cloud_config_without_settings() {
        assert_eq!(render().lines().next(), Some("#cloud-config"));
        let settings: serde_yaml_ng::Value = serde_yaml_ng::from_str(render()).unwrap();
        assert!(settings.is_null());
    }
}
