/** A React component that says what is in a chosen picture. The network runs in a worker, so the page stays responsive. */
import { useEffect, useRef, useState } from 'react';

export function Classifier({ model }) {
  const worker = useRef(null);
  const [answer, setAnswer] = useState('');

  useEffect(() => {
    worker.current = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    worker.current.onmessage = ({ data }) => setAnswer(data);
    worker.current.postMessage({ model });
    return () => worker.current.terminate();
  }, [model]);

  const choose = ({ target }) => worker.current.postMessage({ picture: target.files[0] });
  return (
    <>
      <input type="file" accept="image/png,image/jpeg" onChange={choose} />
      <output>{answer}</output>
    </>
  );
}
