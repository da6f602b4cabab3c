//! stub
use super::super::Failure;
pub(super) async fn serve(_l: std::net::SocketAddr) -> Result<(), Failure> {
    Ok(())
}
