// Batch normalisation in groups, with the shortcut and the ReLU that follow it, for images in channels-last memory.
//
// Group j holds the samples whose index is ≡ j modulo the number of groups, so that one device behaves like
// several (MoCo's ShuffleBN without a cluster). ATen's batch_norm can do this only by copying the batch into
// another layout; here a sample's statistics are taken while it lies in the cache and combined per group in
// double precision, and neither the sum with a shortcut nor the ReLU costs a pass of its own, forward or backward.
#include "parallel.h"

#include <torch/csrc/autograd/custom_function.h>

using namespace ctorch;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The vector width is chosen when the library is loaded.
#if defined(__x86_64__) && defined(__linux__)
#define CT_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CT_WIDE
#endif

namespace {

// Pixels whose sum is kept in the element's own precision before it goes to double.
constexpr int64_t block = 64;

#define CT_KERNELS(T)                                                                                        \
  /* mean and sum of squared deviations of one sample's channels */                                          \
  CT_WIDE void moments(const T *x, int64_t pixels, int64_t channels, double *mean, double *m2, T *scratch) { \
    for (int64_t c = 0; c < channels; ++c) mean[c] = m2[c] = 0;                                              \
    for (int64_t start = 0; start < pixels; start += block) {                                                \
      const int64_t end = std::min(pixels, start + block);                                                   \
      for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;                                                 \
      for (int64_t p = start; p < end; ++p) {                                                                \
        const T *row = x + p * channels;                                                                     \
        for (int64_t c = 0; c < channels; ++c) scratch[c] += row[c];                                         \
      }                                                                                                      \
      for (int64_t c = 0; c < channels; ++c) mean[c] += scratch[c];                                          \
    }                                                                                                        \
    T *center = scratch + channels;                                                                          \
    for (int64_t c = 0; c < channels; ++c) center[c] = static_cast<T>(mean[c] /= pixels);                    \
    for (int64_t start = 0; start < pixels; start += block) {                                                \
      const int64_t end = std::min(pixels, start + block);                                                   \
      for (int64_t c = 0; c < channels; ++c) scratch[c] = 0;                                                 \
      for (int64_t p = start; p < end; ++p) {                                                                \
        const T *row = x + p * channels;                                                                     \
        for (int64_t c = 0; c < channels; ++c) scratch[c] += (row[c] - center[c]) * (row[c] - center[c]);    \
      }                                                                                                      \
      for (int64_t c = 0; c < channels; ++c) m2[c] += scratch[c];                                            \
    }                                                                                                        \
  }                                                                                                          \
  /* y = scale·x + shift, cut at `floor` (0 with a ReLU, −∞ without) */                       \
  CT_WIDE void transform(const T *x, T *y, int64_t pixels, int64_t channels, const T *scale, const T *shift, \
                         T floor) {                                                                          \
    for (int64_t p = 0; p < pixels; ++p) {                                                                   \
      const T *from = x + p * channels;                                                                      \
      T *to = y + p * channels;                                                                              \
      for (int64_t c = 0; c < channels; ++c) {                                                               \
        const T value = from[c] * scale[c] + shift[c];                                                       \
        to[c] = value > floor || value != value ? value : floor;                                             \
      }                                                                                                      \
    }                                                                                                        \
  }                                                                                                          \
  /* y = max(0, scale·x + shift + shortcut) */                                                               \
  CT_WIDE void transform_onto(const T *x, const T *shortcut, T *y, int64_t pixels, int64_t channels,         \
                              const T *scale, const T *shift) {                                              \
    for (int64_t p = 0; p < pixels; ++p) {                                                                   \
      const int64_t at = p * channels;                                                                       \
      for (int64_t c = 0; c < channels; ++c) {                                                               \
        const T value = x[at + c] * scale[c] + shift[c] + shortcut[at + c];                                  \
        y[at + c] = value > 0 || value != value ? value : T(0);                                              \
      }                                                                                                      \
    }                                                                                                        \
  }                                                                                                          \
  /* dz = dy where the output passed the ReLU */                                                             \
  CT_WIDE void pass(const T *y, const T *dy, T *dz, int64_t count) {                                         \
    for (int64_t i = 0; i < count; ++i) dz[i] = y[i] > 0 ? dy[i] : T(0);                                     \
  }                                                                                                          \
  /* sums of dz and of dz·x̂ over one sample, where dz is dy where the output passed the ReLU */              \
  CT_WIDE void gradient_sums(const T *x, const T *y, const T *dy, int64_t pixels, int64_t channels,          \
                             const T *mean, const T *inverse, T floor, double *sum, double *dot,             \
                             T *scratch) {                                                                   \
    T *products = scratch + channels;                                                                        \
    for (int64_t c = 0; c < channels; ++c) sum[c] = dot[c] = 0;                                              \
    for (int64_t start = 0; start < pixels; start += block) {                                                \
      const int64_t end = std::min(pixels, start + block);                                                   \
      for (int64_t c = 0; c < channels; ++c) scratch[c] = products[c] = 0;                                   \
      for (int64_t p = start; p < end; ++p) {                                                                \
        const int64_t at = p * channels;                                                                     \
        for (int64_t c = 0; c < channels; ++c) {                                                             \
          const T dz = y[at + c] > floor ? dy[at + c] : T(0);                                                \
          scratch[c] += dz;                                                                                  \
          products[c] += dz * ((x[at + c] - mean[c]) * inverse[c]);                                          \
        }                                                                                                    \
      }                                                                                                      \
      for (int64_t c = 0; c < channels; ++c) sum[c] += scratch[c], dot[c] += products[c];                    \
    }                                                                                                        \
  }                                                                                                          \
  /* dx = a·dz + b·x + c */                                                                                  \
  CT_WIDE void input_gradient(const T *x, const T *y, const T *dy, T *dx, int64_t pixels, int64_t channels,  \
                              const T *a, const T *b, const T *c0, T floor) {                                \
    for (int64_t p = 0; p < pixels; ++p) {                                                                   \
      const int64_t at = p * channels;                                                                       \
      for (int64_t c = 0; c < channels; ++c) {                                                               \
        const T dz = y[at + c] > floor ? dy[at + c] : T(0);                                                  \
        dx[at + c] = a[c] * dz + b[c] * x[at + c] + c0[c];                                                   \
      }                                                                                                      \
    }                                                                                                        \
  }

CT_KERNELS(float)
CT_KERNELS(double)
#undef CT_KERNELS

struct Statistics {
  at::Tensor mean, inverse; // groups×C, the element's type
};

template <class T>
T floor_value(bool relu) {
  return relu ? T(0) : -std::numeric_limits<T>::infinity();
}

/// Statistics per group; moves the running ones by the mean over the groups.
template <class T>
Statistics statistics(const at::Tensor &x, const at::Tensor &running_mean, const at::Tensor &running_var,
                      int64_t groups, double momentum, double eps) {
  const int64_t n = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  std::vector<double> mean(n * channels), m2(n * channels);
  const T *data = x.data_ptr<T>();
  in_parallel(n, [&](int64_t begin, int64_t end) {
    std::vector<T> scratch(2 * channels);
    for (int64_t i = begin; i < end; ++i)
      moments(data + i * pixels * channels, pixels, channels, &mean[i * channels], &m2[i * channels],
              scratch.data());
  });

  Statistics result{at::empty({groups, channels}, x.options().memory_format(at::MemoryFormat::Contiguous)),
                    at::empty({groups, channels}, x.options().memory_format(at::MemoryFormat::Contiguous))};
  T *means = result.mean.data_ptr<T>(), *inverses = result.inverse.data_ptr<T>();
  T *running_means = running_mean.data_ptr<T>(), *running_vars = running_var.data_ptr<T>();
  const double members = static_cast<double>(n / groups), values = members * pixels;
  for (int64_t c = 0; c < channels; ++c) {
    double batch_mean = 0, batch_var = 0;
    for (int64_t g = 0; g < groups; ++g) {
      double center = 0, spread = 0;
      for (int64_t i = g; i < n; i += groups) center += mean[i * channels + c];
      center /= members;
      for (int64_t i = g; i < n; i += groups) {
        const double offset = mean[i * channels + c] - center;
        spread += m2[i * channels + c] + pixels * offset * offset;
      }
      means[g * channels + c] = static_cast<T>(center);
      inverses[g * channels + c] = static_cast<T>(1 / std::sqrt(spread / values + eps));
      batch_mean += center / groups;
      batch_var += spread / (values - 1) / groups;
    }
    running_means[c] = static_cast<T>((1 - momentum) * running_means[c] + momentum * batch_mean);
    running_vars[c] = static_cast<T>((1 - momentum) * running_vars[c] + momentum * batch_var);
  }
  return result;
}

template <class T>
at::Tensor normalized(const at::Tensor &x, const at::Tensor &shortcut, const at::Tensor &weight,
                      const at::Tensor &bias, const Statistics &stats, bool relu) {
  const int64_t n = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  const int64_t groups = stats.mean.size(0);
  const at::Tensor scale = stats.inverse * weight, shift = bias - stats.mean * scale;
  at::Tensor y = at::empty_like(x);
  const T *from = x.data_ptr<T>(), *scales = scale.data_ptr<T>(), *shifts = shift.data_ptr<T>();
  const T *beside = shortcut.defined() ? shortcut.data_ptr<T>() : nullptr;
  T *to = y.data_ptr<T>();
  in_parallel(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * pixels * channels, row = (i % groups) * channels;
      if (beside)
        transform_onto(from + at, beside + at, to + at, pixels, channels, scales + row, shifts + row);
      else
        transform(from + at, to + at, pixels, channels, scales + row, shifts + row, floor_value<T>(relu));
    }
  });
  return y;
}

struct Gradients {
  at::Tensor x, shortcut, weight, bias;
};

template <class T>
Gradients gradients(const at::Tensor &x, const at::Tensor &y, const at::Tensor &dy, const at::Tensor &weight,
                    const Statistics &stats, bool relu, bool has_shortcut) {
  const int64_t n = x.size(0), channels = x.size(1), pixels = x.size(2) * x.size(3);
  const int64_t groups = stats.mean.size(0), size = pixels * channels;
  const T *xs = x.data_ptr<T>(), *ys = y.data_ptr<T>(), *dys = dy.data_ptr<T>();
  const T *means = stats.mean.data_ptr<T>(), *inverses = stats.inverse.data_ptr<T>();
  Gradients result{at::empty_like(x), {}, at::empty_like(weight), at::empty_like(weight)};
  // What passes the ReLU is the shortcut's gradient; where it is written down, the rest is computed from it.
  T *dzs = nullptr;
  if (has_shortcut) result.shortcut = at::empty_like(x), dzs = result.shortcut.data_ptr<T>();
  const T floor = floor_value<T>(relu && !has_shortcut);

  std::vector<double> sum(n * channels), dot(n * channels);
  in_parallel(n, [&](int64_t begin, int64_t end) {
    std::vector<T> scratch(2 * channels);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = (i % groups) * channels;
      if (dzs) pass(ys + i * size, dys + i * size, dzs + i * size, size);
      gradient_sums(xs + i * size, (dzs ? xs : ys) + i * size, (dzs ? dzs : dys) + i * size, pixels, channels, means + row, inverses + row,
                    floor, &sum[i * channels], &dot[i * channels], scratch.data());
    }
  });

  if (dzs) ys = xs, dys = dzs;
  T *dw = result.weight.data_ptr<T>(), *db = result.bias.data_ptr<T>();
  const T *w = weight.data_ptr<T>();
  std::vector<T> a(groups * channels), b(groups * channels), c0(groups * channels);
  const double values = static_cast<double>(n / groups) * pixels;
  for (int64_t c = 0; c < channels; ++c) {
    double weight_gradient = 0, bias_gradient = 0;
    for (int64_t g = 0; g < groups; ++g) {
      double total = 0, product = 0;
      for (int64_t i = g; i < n; i += groups) total += sum[i * channels + c], product += dot[i * channels + c];
      weight_gradient += product, bias_gradient += total;
      const int64_t k = g * channels + c;
      const double inverse = inverses[k], gain = w[c] * inverse, slope = -gain * inverse * product / values;
      a[k] = static_cast<T>(gain);
      b[k] = static_cast<T>(slope);
      c0[k] = static_cast<T>(-gain * total / values - slope * means[k]);
    }
    dw[c] = static_cast<T>(weight_gradient);
    db[c] = static_cast<T>(bias_gradient);
  }
  T *dx = result.x.data_ptr<T>();
  in_parallel(n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = (i % groups) * channels;
      input_gradient(xs + i * size, ys + i * size, dys + i * size, dx + i * size, pixels, channels, &a[row], &b[row],
                     &c0[row], floor);
    }
  });
  return result;
}

#define CT_DISPATCH(tensor, call)                                                                            \
  ((tensor).scalar_type() == at::kDouble ? [&] { using T = double; return call; }()                          \
                                         : [&] { using T = float; return call; }())

struct SplitBatchNorm : torch::autograd::Function<SplitBatchNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input,
                            const std::optional<at::Tensor> &beside, const at::Tensor &weight, const at::Tensor &bias, at::Tensor running_mean, at::Tensor running_var,
                            int64_t groups, double momentum, double eps, bool relu) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    const Statistics stats =
        CT_DISPATCH(x, statistics<T>(x, running_mean, running_var, groups, momentum, eps));
    const at::Tensor shortcut = beside ? beside->contiguous(at::MemoryFormat::ChannelsLast) : at::Tensor();
    const at::Tensor y = CT_DISPATCH(x, normalized<T>(x, shortcut, weight, bias, stats, relu));
    // The output is kept only to tell where the ReLU cut; without one the mask is true everywhere, from x too.
    context->save_for_backward({x, relu ? y : x, weight, stats.mean, stats.inverse});
    context->saved_data["relu"] = relu;
    context->saved_data["shortcut"] = beside.has_value();
    return y;
  }

  static variable_list backward(AutogradContext *context, variable_list outputs) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &weight = saved[2];
    const Statistics stats{saved[3], saved[4]};
    const bool relu = context->saved_data["relu"].toBool();
    const at::Tensor dy = outputs[0].contiguous(at::MemoryFormat::ChannelsLast);
    const bool has_shortcut = context->saved_data["shortcut"].toBool();
    const Gradients result = CT_DISPATCH(x, gradients<T>(x, y, dy, weight, stats, relu, has_shortcut));
    return {result.x, result.shortcut, result.weight, result.bias, {}, {}, {}, {}, {}, {}};
  }
};

/// The same by ATen's operations, for other devices and for bfloat16, whose statistics they take in float32: the groups
/// become channels of a smaller batch.
at::Tensor composed(const at::Tensor &x, const std::optional<at::Tensor> &shortcut, const at::Tensor &weight,
                    const at::Tensor &bias,
                    at::Tensor running_mean, at::Tensor running_var, int64_t groups, double momentum, double eps,
                    bool relu) {
  if (groups == 1) {
    at::Tensor y = at::batch_norm(x, weight, bias, running_mean, running_var, /*training=*/true, momentum, eps,
                                  /*cudnn_enabled=*/true);
    if (shortcut) y += *shortcut;
    return relu ? at::relu_(y) : y;
  }
  const int64_t n = x.size(0), channels = x.size(1);
  const at::Tensor split = x.reshape({n / groups, groups * channels, x.size(2), x.size(3)});
  const at::Tensor mean = at::zeros_like(running_mean).repeat(groups), var = at::zeros_like(mean);
  // Momentum 1 leaves the batch's own statistics in the buffers.
  at::Tensor y = at::batch_norm(split, weight.repeat(groups), bias.repeat(groups), mean, var, /*training=*/true,
                                /*momentum=*/1.0, eps, /*cudnn_enabled=*/true)
                     .reshape(x.sizes());
  running_mean.lerp_(mean.view({groups, channels}).mean(0), momentum);
  running_var.lerp_(var.view({groups, channels}).mean(0), momentum);
  if (shortcut) y = y + *shortcut;
  if (relu) y = at::relu(y);
  return y.contiguous(x.suggest_memory_format());
}

} // namespace

ct_status ct_split_batch_norm(ct_tensor **out, const ct_tensor *x, const ct_tensor *shortcut,
                              const ct_tensor *weight, const ct_tensor *bias, ct_tensor *running_mean, ct_tensor *running_var,
                              int64_t groups, double momentum, double eps, bool relu) {
  return produce(out, [&] {
    const at::Tensor &input = unwrap(x);
    TORCH_CHECK(input.dim() == 4, "batch normalisation takes N×C×H×W, not ", input.sizes());
    const int64_t channels = input.size(1);
    for (const ct_tensor *one : {weight, bias, const_cast<const ct_tensor *>(running_mean),
                                 const_cast<const ct_tensor *>(running_var)})
      TORCH_CHECK(unwrap(one).dim() == 1 && unwrap(one).size(0) == channels && unwrap(one).is_contiguous(),
                  "batch normalisation of ", unwrap(one).sizes(), " channels cannot take ", input.sizes());
    TORCH_CHECK(groups > 0 && input.size(0) % groups == 0, "a batch of ", input.size(0),
                " does not divide into ", groups, " groups");
    TORCH_CHECK(input.size(0) * input.size(2) * input.size(3) > groups, "one value per channel has no variance: ", input.sizes(),
                " in ", groups, " groups");
    std::optional<at::Tensor> beside;
    if (shortcut) {
      beside = unwrap(shortcut);
      TORCH_CHECK(relu && beside->sizes() == input.sizes() && beside->scalar_type() == input.scalar_type(),
                  "a shortcut of ", beside->sizes(), " beside ", input.sizes(), " needs a ReLU and one shape");
    }
    const bool here = input.is_cpu() && (input.scalar_type() == at::kFloat || input.scalar_type() == at::kDouble);
    if (!here)
      return composed(input, beside, unwrap(weight), unwrap(bias), running_mean->value, running_var->value, groups,
                      momentum, eps, relu);
    return SplitBatchNorm::apply(input, beside, unwrap(weight), unwrap(bias), running_mean->value, running_var->value,
                                 groups, momentum, eps, relu);
  });
}
