"""A checkpoint of TensorFlow that was trained for 8 bits, as tf.contrib.quantize leaves it, and what TensorFlow itself makes of it:
the file of TensorFlow Lite and the numbers that its interpreter computes. For test/convert/slim-quant.test.ts.

    pip install tensorflow && python make_slim_quant.py [FOLDER [--deeplab]]     (TensorFlow 2.21)

tf.contrib is gone. The graph here is the one that its create_eval_graph() makes: batch norm multiplied into the weights, a
FakeQuantWithMinMaxVars after those and after every activation, in scopes of the same names. Its ranges, and in FOLDER its norms as well,
are those of a run over noise. FOLDER has a network whose numbers are all different, the files in slim-quant one that packs well.
"""
import gzip, os, sys
import numpy as np, tensorflow as tf

tf = tf.compat.v1
tf.disable_eager_execution()
HERE = os.path.dirname(os.path.abspath(__file__))
M = 'MobilenetV2/'
random = np.random.RandomState(5)
KEPT = len(sys.argv) == 1
WIDTH = 0.3


def divisible(value):
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def variable(name, values):
    return tf.get_variable(name, initializer=tf.constant(np.asarray(values, np.float32)))


def values(shape, scale, period):
    """From -scale to scale. Those that are kept repeat, so that the file packs well; others are all different."""
    if not KEPT: return random.uniform(-scale, scale, shape)
    places = np.indices(shape).reshape(len(shape), -1)
    index = (np.array([11, 23, 5, 3])[-len(shape):] @ places + random.randint(period)) % period
    return random.uniform(-scale, scale, period)[index].reshape(shape)


steps = []  # what is to be done with a session once the steps before are done, in the order of the graph
def fake_quant(x, name, narrow=False):
    low, high = (variable(f'{name}/{end}', value) for end, value in (('min', -6), ('max', 6)))
    def range_of(run):
        seen = run(x)
        return [low.assign(min(0, np.min(seen))), high.assign(max(0, np.max(seen)))]
    steps.append(range_of)
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=8, narrow_range=narrow, name=name + '/FakeQuantWithMinMaxVars')


def depthwise_layer(x, weights, stride, rate):
    return tf.nn.depthwise_conv2d(x, weights, (1, stride, stride, 1), 'SAME', dilations=(rate, rate))


def plain_layer(x, weights, stride, rate):
    return tf.nn.conv2d(x, weights, stride, 'SAME')


def convolution(x, scope, channels, k=1, stride=1, activation=tf.nn.relu6, depthwise=False, rate=1, epsilon=0.001):
    width = int(x.shape[-1])
    shape = (k, k, width, 1) if depthwise else (k, k, width, channels)
    fan_in = k * k * (1 if depthwise else width)
    weights = variable(scope + ('/depthwise_weights' if depthwise else '/weights'), values(shape, 2.5 / fan_in**0.5, 61))
    norm = lambda part, values: variable(f'{scope}/BatchNorm/{part}', values)
    gamma, beta = norm('gamma', 1 + values((channels,), 0.5, 5)), norm('beta', values((channels,), 0.5, 61))
    mean, variance = norm('moving_mean', values((channels,), 0.5, 61)), norm('moving_variance', 1 + values((channels,), 0.75, 3))
    layer = depthwise_layer if depthwise else plain_layer
    def norm_of(run):
        seen = run(layer(x, weights, stride, rate))
        return [mean.assign(np.mean(seen, (0, 1, 2, 3))), variance.assign(np.var(seen, (0, 1, 2, 3)) + 1e-3)]
    if not KEPT: steps.append(norm_of)
    with tf.name_scope(scope + '/BatchNorm_Fold/'):
        factor = gamma * tf.rsqrt(variance + epsilon)
        bias = tf.subtract(beta, mean * factor, name='bias')
        shaped = tf.reshape(factor, (channels, 1)) if depthwise else factor
        folded = tf.multiply(weights, shaped, name='mul_fold')
    folded = fake_quant(folded, scope + '/weights_quant', narrow=True)
    y = layer(x, folded, stride, rate)
    return fake_quant(activation(tf.add(y, bias, name=scope + '/add_fold')), scope + '/act_quant')


def linear(x, scope, channels):
    width = int(x.shape[-1])
    weights = variable(scope + '/weights', values((1, 1, width, channels), 2.5 / width**0.5, 61))
    biases = variable(scope + '/biases', values((channels,), 1, 61))
    y = tf.nn.conv2d(x, fake_quant(weights, scope + '/weights_quant', narrow=True), 1, 'SAME')
    return fake_quant(tf.nn.bias_add(y, biases), scope + '/act_quant')


def backbone(x, most):
    """most: once the strides have this product, the others become dilations."""
    reached, rate = 2, 1
    x = convolution(x, M + 'Conv', divisible(32 * WIDTH), 3, 2)
    x = convolution(x, M + 'expanded_conv/depthwise', int(x.shape[-1]), 3, depthwise=True)
    x = convolution(x, M + 'expanded_conv/project', divisible(16 * WIDTH), activation=tf.identity)
    i = 0
    for out, n, stride in ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)):
        for j in range(n):
            i += 1
            scope, input_, step = f'{M}expanded_conv_{i}', x, stride if j == 0 else 1
            own = rate
            if step > 1 and reached * step > most: rate, step = rate * step, 1
            reached *= step
            x = convolution(x, scope + '/expand', 6 * int(x.shape[-1]))
            x = convolution(x, scope + '/depthwise', int(x.shape[-1]), 3, step, depthwise=True, rate=own)
            x = convolution(x, scope + '/project', divisible(out * WIDTH), activation=tf.identity)
            if step == 1 and int(x.shape[-1]) == int(input_.shape[-1]):
                x = fake_quant(tf.add(x, input_, name=scope + '/add'), scope + '/post_activation_bypass_quant')
    return x


def classifier(x):
    x = convolution(backbone(x, 32), M + 'Conv_1', divisible(1280 * WIDTH))
    x = tf.nn.avg_pool2d(x, (int(x.shape[1]), int(x.shape[2])), 1, 'VALID')
    return tf.squeeze(linear(x, M + 'Logits/Conv2d_1c_1x1', 5), (1, 2))


def segmenter(x):
    x = backbone(x, 16)
    size = (int(x.shape[1]), int(x.shape[2]))
    how = {'activation': tf.nn.relu, 'epsilon': 1e-5}
    pooled = convolution(tf.nn.avg_pool2d(x, size, 1, 'VALID'), 'image_pooling', 256, **how)
    pooled = tf.image.resize_bilinear(pooled, size, align_corners=True)
    x = tf.concat([pooled, convolution(x, 'aspp0', 256, **how)], 3)
    return linear(convolution(x, 'concat_projection', 256, **how), 'logits/semantic', 21)


def pictures(count, size):
    """Bytes of noise, each picture coarser than the one before."""
    blocks = [random.randint(0, 256, (-(-size // k), -(-size // k), 3)) for k in (1 + 3 * np.arange(count))]
    return np.stack([np.kron(b, np.ones((-(-size // len(b)),) * 2 + (1,)))[:size, :size] for b in blocks]).astype(np.uint8)


def main(folder, deeplab):
    size = 65 if deeplab else 64
    entering = tf.placeholder(tf.float32, (1, size, size, 3), 'input')
    logits = (segmenter if deeplab else classifier)(entering)
    # The converter does without it, because it says nothing about the output.
    output = tf.identity(logits, 'output')
    tf.train.get_or_create_global_step()
    noise = pictures(4, size)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        run = lambda x: np.stack([session.run(x, {entering: (one[None] - 128.0) / 128}) for one in noise])
        for step in steps: session.run(step(run))
        saver = tf.train.Saver(tf.global_variables())
        saver.save(session, os.path.join(folder, 'model.ckpt'), write_meta_graph=False)
        real = run(output)[:, 0]
        converter = tf.lite.TFLiteConverter.from_session(session, [entering], [output])
        converter.inference_type = tf.uint8
        converter.quantized_input_stats = {'input': (128, 128)}
        model = converter.convert()
    interpreter = tf.lite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    where, to = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    got = []
    for one in noise:
        interpreter.set_tensor(where['index'], one[None])
        interpreter.invoke()
        got.append(interpreter.get_tensor(to['index']))
    got = np.concatenate(got)
    scale, zero = to['quantization']
    off = np.abs((got.astype(np.int32) - zero) - real / scale)
    print(f'{to["dtype"].__name__} {got.shape}, scale {scale}, {zero}; from the simulated numbers up to {off.max():.2f} steps, mean {off.mean():.3f}')
    os.remove(os.path.join(folder, 'checkpoint'))
    for name, data in (('model.tflite', model), ('pictures', noise.tobytes()), ('outputs', got.tobytes())):
        with open(os.path.join(folder, name), 'wb') as file: file.write(data)


def pack(folder):
    for name in os.listdir(folder):
        if name.endswith(('.gz', '.index')): continue
        path = os.path.join(folder, name)
        with open(path, 'rb') as file, gzip.GzipFile(path + '.gz', 'wb', 9, mtime=0) as out: out.write(file.read())
        os.remove(path)


if len(sys.argv) > 1: main(sys.argv[1], '--deeplab' in sys.argv)
else:
    own = os.path.join(HERE, 'slim-quant')
    os.makedirs(own, exist_ok=True)
    main(own, False)
    pack(own)
