'use client';

/** Classifies a chosen picture in the browser; the model's files lie in public/model. */
import { useRef, useState } from 'react';

export function Classifier() {
  const loading = useRef(null);
  const [answer, setAnswer] = useState('');

  const choose = async ({ target }) => {
    const { pipeline } = await import('mobilenet-v2'); // when it is needed first
    loading.current ??= pipeline('image-classification', '/model/');
    const classify = await loading.current;
    const [best] = await classify(target.files[0], { top_k: 1 });
    setAnswer(`${best.label} ${best.score.toFixed(3)}`);
  };
  return (
    <>
      <input type="file" accept="image/png,image/jpeg" onChange={choose} />
      <output>{answer}</output>
    </>
  );
}
