"""A checkpoint of TensorFlow with the names of slim, width 0.3 and 5 classes, for test/convert/slim.test.ts. Its numbers follow
a formula that the test knows, and repeat, so that the file packs well.

    pip install tensorflow && python make_slim.py     (TensorFlow 2.21)
"""
import gzip, os, zlib
import numpy as np, tensorflow as tf

tf = tf.compat.v1
tf.disable_eager_execution()
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'slim')


def divisible(value):
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def values(name, shape):
    """v[i] = ((crc32(name) + 7919 i) mod 251 - 125) / 128; variances and scales lie from 0.5 to 1.5."""
    count = int(np.prod(shape))
    raw = (zlib.crc32(name.encode()) + 7919 * np.arange(count, dtype=np.int64)) % 251
    base = (raw - 125) / 128
    if name.endswith(('gamma', 'moving_variance')): base = 1 + base / 2
    return base.astype(np.float32).reshape(shape)


names = {}
def add(name, *shape): names[name] = shape
def conv(scope, cin, cout, k=1): add(scope + '/weights', k, k, cin, cout); norm(scope, cout)
def norm(scope, c):
    for part in ('gamma', 'beta', 'moving_mean', 'moving_variance'): add(f'{scope}/BatchNorm/{part}', c)
def depthwise(scope, c): add(scope + '/depthwise_weights', 3, 3, c, 1); norm(scope, c)


M = 'MobilenetV2/'
first = divisible(32 * 0.3)
conv(M + 'Conv', 3, first, 3)
depthwise(M + 'expanded_conv/depthwise', first)
c = divisible(16 * 0.3)
conv(M + 'expanded_conv/project', first, c)
i = 0
for out, n in ((24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1)):
    for _ in range(n):
        i += 1
        scope, wide, to = f'{M}expanded_conv_{i}', 6 * c, divisible(out * 0.3)
        conv(scope + '/expand', c, wide); depthwise(scope + '/depthwise', wide); conv(scope + '/project', wide, to)
        c = to
last = divisible(1280 * 0.3)
conv(M + 'Conv_1', c, last)
add(M + 'Logits/Conv2d_1c_1x1/weights', 1, 1, last, 5)
add(M + 'Logits/Conv2d_1c_1x1/biases', 5)
# What training keeps beside them.
add(M + 'Conv/weights/ExponentialMovingAverage', 3, 3, 3, first)
add(M + 'Conv/weights/RMSProp_1', 3, 3, 3, first)
for end in ('min', 'max'):
    add(M + f'Conv/weights_quant/{end}'); add(M + f'Conv/act_quant/{end}')

variables = [tf.get_variable(name, initializer=tf.constant(values(name, shape))) for name, shape in names.items()]
variables.append(tf.train.get_or_create_global_step())
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    prefix = tf.train.Saver(variables).save(session, os.path.join(HERE, 'model.ckpt'), write_meta_graph=False)
data = os.path.join(HERE, 'model.ckpt.data-00000-of-00001')
with open(data, 'rb') as file, gzip.GzipFile(data + '.gz', 'wb', 9, mtime=0) as out: out.write(file.read())
os.remove(data)
os.remove(os.path.join(HERE, 'checkpoint'))
