//! Follows the cluster's state from any coordinator.

use crate::CoordinatorClient;
use crate::client::said;
use conclave_control::ClusterState;
use conclave_proto::convert::coordinator as convert;
use conclave_proto::coordinator::WatchRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// Pause before the next coordinator is tried.
const PAUSE: Duration = Duration::from_millis(100);

impl CoordinatorClient {
    /// The cluster's state as it changes; starts as the empty state. Ends when every receiver is dropped.
    pub fn watch(self: &Arc<Self>) -> watch::Receiver<Arc<ClusterState>> {
        let (sender, receiver) = watch::channel(Arc::new(ClusterState::default()));
        let client = self.clone();
        tokio::spawn(async move {
            let mut at = 0;
            let gone = sender.clone();
            tokio::select! {
                () = gone.closed() => {}
                () = async {
                    loop {
                        let address = &client.addresses()[at % client.addresses().len()];
                        if let Err(why) = client.follow(address, &sender).await {
                            tracing::debug!(address, why, "the watch ended; trying the next coordinator");
                        }
                        at += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                } => {}
            }
        });
        receiver
    }

    async fn follow(&self, address: &str, sender: &watch::Sender<Arc<ClusterState>>) -> Result<(), String> {
        let mut client = self.at(address)?;
        let views = client.watch(WatchRequest {}).await.map_err(|status| said(&status))?;
        let mut views = views.into_inner();
        while let Some(view) = views.next().await {
            let view = view.map_err(|status| said(&status))?;
            let state = convert::state(view).map_err(|error| error.to_string())?;
            // A coordinator that lags behind must not take anybody back.
            sender.send_if_modified(|known| {
                let newer = state.applied > known.applied;
                if newer {
                    *known = Arc::new(state);
                }
                newer
            });
        }
        Ok(())
    }
}
