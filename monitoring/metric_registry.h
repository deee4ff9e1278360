// The metrics of one program: a registry, and how its families are made.
#ifndef QUANTLAB_MONITORING_METRIC_REGISTRY_H_
#define QUANTLAB_MONITORING_METRIC_REGISTRY_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace quantlab {

// To be derived from, by a struct whose members are the families. They belong to the registry.
// Threads: safe.
struct MetricRegistry {
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Counters = prometheus::Family<prometheus::Counter>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  Gauges& NewGauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Counters& NewCounter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Histograms& NewHistogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
};

}  // namespace quantlab

#endif  // QUANTLAB_MONITORING_METRIC_REGISTRY_H_
