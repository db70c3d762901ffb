//! A list that is read page by page.

use tonic::Status;

/// The pages of a list, in its order. Each is asked for when it is wanted; one that could not be read is asked for again.
///
/// ```no_run
/// # async fn all(channel: rpc::client::Channel) -> Result<(), tonic::Status> {
/// use proto::smd::v1::ListComponentsRequest;
/// use proto::smd::v1::component_service_client::ComponentServiceClient;
///
/// let mut client = ComponentServiceClient::new(channel);
/// let mut pages = rpc::client::Pages::new(async |page_token| {
///     let request = ListComponentsRequest { page_size: 500, page_token, ..Default::default() };
///     let page = client.list_components(request).await?.into_inner();
///     Ok((page.components, page.next_page_token))
/// });
/// while let Some(components) = pages.next().await? {
///     println!("{} more", components.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pages<Ask> {
    ask: Ask,
    /// Of the page that comes next; `None` after the last.
    token: Option<String>,
}

impl<Ask> Pages<Ask> {
    /// `ask` gets the `page_token` of a page, empty for the first, and gives what is in it and its `next_page_token`.
    pub fn new<Page>(ask: Ask) -> Self
    where
        Ask: AsyncFnMut(String) -> Result<(Page, String), Status>,
    {
        Self {
            ask,
            token: Some(String::new()),
        }
    }

    /// The next page; `None` after the last.
    ///
    /// # Errors
    /// What `ask` says; and `INTERNAL` for a page that names itself as the next, which would have no end.
    pub async fn next<Page>(&mut self) -> Result<Option<Page>, Status>
    where
        Ask: AsyncFnMut(String) -> Result<(Page, String), Status>,
    {
        let Some(token) = self.token.clone() else {
            return Ok(None);
        };
        let (page, next) = (self.ask)(token.clone()).await?;
        if !next.is_empty() && next == token {
            return Err(
                crate::Error::Internal("a page of the list names itself as the next".to_owned()).into(),
            );
        }
        self.token = Some(next).filter(|next| !next.is_empty());
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn every_page_is_read_once_and_in_order() {
        let mut asked = Vec::new();
        let mut pages = Pages::new(async |token: String| {
            asked.push(token.clone());
            Ok(match token.as_str() {
                "" => (vec![1, 2], "a".to_owned()),
                "a" => (vec![], "b".to_owned()), // of a caller who sees a part: it goes on all the same
                _ => (vec![3], String::new()),
            })
        });
        let mut all = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            all.extend(page);
        }
        assert_eq!(pages.next().await.unwrap(), None, "it stays at its end");
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(asked, ["", "a", "b"]);
    }

    /// A member that dies in the middle of a list must not make the reader begin again, or skip a page.
    #[tokio::test]
    async fn a_page_that_failed_is_asked_for_again() {
        let mut fails = true;
        let mut pages = Pages::new(async |token: String| {
            if token == "a" && std::mem::take(&mut fails) {
                return Err(Status::unavailable("the member has gone"));
            }
            let next = if token.is_empty() { "a" } else { "" };
            Ok((token, next.to_owned()))
        });
        assert_eq!(pages.next().await.unwrap().as_deref(), Some(""));
        assert_eq!(pages.next().await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(pages.next().await.unwrap().as_deref(), Some("a"));
        assert_eq!(pages.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_list_without_an_end_is_refused() {
        let mut pages = Pages::new(async |_token: String| Ok(((), "a".to_owned())));
        pages.next().await.unwrap();
        assert_eq!(pages.next().await.unwrap_err().code(), Code::Internal);
    }
}
