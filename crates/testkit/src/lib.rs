//! Dev only: fixtures, measurements, network namespaces, scripted peers, end-to-end scenarios.
