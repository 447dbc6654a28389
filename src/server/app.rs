//! temp
/// temp
pub async fn serve(_s: crate::server::config::Settings) -> anyhow::Result<()> {
    Ok(())
}
